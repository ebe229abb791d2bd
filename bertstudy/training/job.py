"""What a method is given to do, and what it gives back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data.corpora import Corpus, Library
from ..data.sampling import Documents
from ..runs import Run
from .log import Scalar, silent


@dataclass
class Job:
    """A run to carry out on the documents drawn for it.

    library: where further pretraining and other tasks find their corpora. progress: whether bars are shown. stop:
    called before every batch; it stops the run by raising. log: where the numbers of each step go (see `log.logged`).
    """

    run: Run
    corpus: Corpus
    documents: Documents
    library: Library
    progress: bool = True
    stop: Callable[[], None] | None = None
    log: Scalar = silent


@contextmanager
def stopping(classifier: Any, stop: Callable[[], None] | None) -> Iterator[None]:
    """Inside, `stop` is called before each batch that the classifier's encoder reads."""
    hook = classifier.encoder.model.register_forward_pre_hook(lambda *_: stop()) if stop else None
    try:
        yield
    finally:
        if hook:
            hook.remove()


@dataclass
class Outcome:
    """A trained classifier and how it did.

    history: a dict an epoch (see `fine_tuning.fit`). error (percent), loss (mean cross-entropy, nats), predicted (n
    classes): of the n test documents. seconds: how long each phase took; "train" where that is more than the last of
    the history says; "saved": what it would have taken to do what an earlier run of this process had done. more:
    further entries of the row.
    """

    classifier: Any
    history: list[dict]
    error: float
    loss: float
    predicted: np.ndarray
    seconds: dict[str, float]
    more: dict[str, Any] = field(default_factory=dict)
