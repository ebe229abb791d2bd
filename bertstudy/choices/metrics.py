"""What epochs, strengths and recipes are chosen by on dev. The functions stand in training/metrics.py."""

from ..registry import Registry

METRICS = Registry("metric", home="bertstudy.training.metrics:metric", unit="%", higher=False, balanced=False)
