"""The methods of a study: ways from texts with labels to a classifier (§5.4.3).

A method is a file of its own in training/methods/, named as the method, with a class that is decorated by `@method`.
It states which parts of a Run it reads (see `run.knob`), and which stages of computation its runs pass beside that
of the documents (see `versions.STAGES`). To add one, write such a file, or decorate a class anywhere else.
"""

from ..registry import Registry

PARTS = ("documents", "segments", "encoder", "vector", "training", "fine_tuning", "pretraining", "multitask")

METHODS = method = Registry("method", home="bertstudy.training.methods:method", reads=PARTS, stages=())
