"""The methods of a study: ways from texts with labels to a classifier, the paper's (§5.4.3) and those found since.

A method is a file of its own in training/methods/, named as the method, with a class that is decorated by `@method`.
It states which parts of a Run it reads (see `run.knob`), and which stages of computation its runs pass beside that
of the documents (see `versions.STAGES`). number: that of what its own file computes, which is such a stage, by the name
of the method; "" where it adds nothing. settings: fields of which it has values of its own, as its source does (see
`runs.by_method`). example: of the number that is given after a colon, as in "lora:8"; None where it takes none. To add
a method, write such a file, or decorate a class anywhere else.
"""

from ..registry import Registry
from ..versions import STAGES

PARTS = ("documents", "segments", "encoder", "vector", "training", "head", "fine_tuning", "pretraining", "multitask")
PARTS += ("retention",)
TUNED = ("segments", "encoder", "fine_tuning")  # the stages of fine-tuning, and of what is changed in it
PAIRS, MOST_ROUNDS = 1000, 20  # of one class, of all documents together; of a document, as in their source

METHODS = method = Registry(
    "method",
    home="bertstudy.training.methods:method",
    reads=PARTS,
    settings={},
    stages=TUNED,
    number="",
    example=None,
)
STAGES.update({name: entry.number for name, entry in METHODS.items() if entry.number})


def contrastive_for(documents: int) -> str:
    """The method of contrastive pairs for this many labelled documents: of more documents each is in fewer pairs, so
    that it takes minutes."""
    return f"contrastive:{max(1, min(MOST_ROUNDS, PAIRS // documents))}"
