"""The scales that the study is run at: control, compact, paper, and smoke for tests."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .registry import no_such
from .runs import Run

SHOWS = {  # what the results of a profile may be taken for
    "control": "Composed texts and a small embedded encoder, to check the instrument by and to show how the study "
    "runs. Nothing in it is evidence about language.",
    "compact": "Real corpora, sampled, and MiniLM-L6 (22 million parameters), read by the mean over pieces, as it was "
    "trained to be (notebook 11 compares that with [CLS], on TREC), at a window of 128. It shows real effects"
    " at a small scale; error rates are not comparable with BERT-base's on whole corpora. MiniLM has no "
    "masked-LM head: further pretraining (1,000 steps of 16 texts, the paper's 100,000 of 32) begins with a "
    "new one, so that runs without any have the better start. Notebooks 01 to 04, 07 and 09 set a tenth of "
    "the labels aside to choose the epoch by, the others train on all: the same way errs up to two points "
    "less there, so compare within a notebook.",
    "paper": "The paper's setting: BERT-base, whole corpora, over several seeds, the epoch chosen on dev.",
    "smoke": "The control profile at its smallest, for tests. Nothing in it is a result.",
}


@dataclass(frozen=True)
class Profile:
    """A scale to run the study at.

    base: the Run that grids start from. pretraining: values of the fields of Run that further pretraining adds.
    own_data: of those that a reader's own documents are begun with. What only one question needs stands in its file in
    experiments/.
    """

    name: str
    base: Run
    pretraining: Mapping[str, Any]
    own_data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def own_base(self) -> Run:
        """The Run that advice on a reader's own documents starts from."""
        return replace(self.base, **self.own_data)

    @property
    def shows(self) -> str:
        """What its results may be taken for, in a sentence or two."""
        return SHOWS[self.name]


CONTROL = Run(
    corpus="movies",
    encoder="control",
    window=64,
    truncation="head+tail:24",
    learning_rate=1e-3,
    epochs=3,
    min_steps=28,
    batch_size=16,
    test_size=1000,
)
COMPACT = Run(
    corpus="imdb",
    encoder="minilm",
    piece_pooling="mean",
    window=128,  # most of a long text is cut, so that truncations differ more, at two fifths of the time of 512
    truncation="head+tail:32",
    learning_rate=1e-4,
    epochs=3,
    min_steps=80,
    test_size=2000,
    precision="bf16",
)
PROFILES = {
    scale.name: scale
    for scale in (
        Profile(
            "control",
            CONTROL,
            {
                "pretraining_steps": 250,
                "pretraining_learning_rate": 2e-3,
                "pretraining_window": 64,
                "next_sentence": False,
            },
        ),
        Profile(
            "compact",
            COMPACT,
            {
                "pretraining_steps": 1000,
                "pretraining_batch_size": 16,
                "pretraining_learning_rate": 1e-4,
                "pretraining_head_steps": 300,
            },
            {"window": 512, "truncation": "head+tail", "piece_pooling": "cls"},
        ),
        Profile("paper", Run(attention_dropout=0.1, precision="bf16"), {"pretraining_steps": 100_000}),
        Profile(
            "smoke",
            replace(CONTROL, epochs=1, min_steps=0, test_size=60),
            {
                "pretraining_steps": 4,
                "pretraining_batch_size": 4,
                "pretraining_window": 64,
                "next_sentence": False,
            },
        ),
    )
}


def profile(name: str = "auto") -> Profile:
    """A profile by name. "auto" is paper where a CUDA device is seen, else control; BERTSTUDY_PROFILE overrules it.

    Raises ValueError for an unknown name.
    """
    if name == "auto":
        name = os.environ.get("BERTSTUDY_PROFILE") or _of_this_machine()
    if not isinstance(name, str) or name not in PROFILES:
        raise no_such("profile", name, ["auto", *PROFILES])
    return PROFILES[name]


def _of_this_machine():
    import torch  # imported here: a profile that is named needs none

    return "paper" if torch.cuda.is_available() else "control"
