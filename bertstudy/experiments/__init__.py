"""Rows to figures. Nothing here trains, loads a model or imports torch; a figure is a function of stored rows."""

from ..analysis.drawing import FIGURES, TABLES, incomplete, save, shows
from ..analysis.forest import claims
from .comparison import comparison, comparison_data, gains, gains_data, larger, larger_data, multitask, multitask_data
from .datasets import balance, balance_data, lengths, lengths_data
from .decay import decay_grid, decay_grid_data, rates_over_time, rates_over_time_data
from .fewshot import few_shot, few_shot_data
from .forgetting import rate_curves, rate_curves_data, rescues, rescues_data, retained, retained_data
from .further_pretraining import (
    pretraining_sources,
    pretraining_sources_data,
    pretraining_steps,
    pretraining_steps_data,
)
from .layers import layer_depth, layer_depth_data, layer_pooling, layer_pooling_data
from .long_text import errors_by_length, errors_by_length_data, head_share, head_share_data, long_text, long_text_data

__all__ = [
    "FIGURES",
    "TABLES",
    "balance",
    "balance_data",
    "claims",
    "comparison",
    "comparison_data",
    "gains",
    "gains_data",
    "larger",
    "larger_data",
    "multitask",
    "multitask_data",
    "decay_grid",
    "decay_grid_data",
    "errors_by_length",
    "errors_by_length_data",
    "few_shot",
    "few_shot_data",
    "head_share",
    "head_share_data",
    "incomplete",
    "layer_depth",
    "layer_depth_data",
    "layer_pooling",
    "layer_pooling_data",
    "lengths",
    "lengths_data",
    "long_text",
    "long_text_data",
    "pretraining_sources",
    "pretraining_sources_data",
    "pretraining_steps",
    "pretraining_steps_data",
    "rate_curves",
    "rate_curves_data",
    "rates_over_time",
    "rates_over_time_data",
    "rescues",
    "rescues_data",
    "retained",
    "retained_data",
    "save",
    "shows",
]
