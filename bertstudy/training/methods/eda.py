"""More documents by small changes (Wei and Zou 2019, EDA; against it Longpre et al. 2020)."""

import numpy as np

from ...choices.methods import method
from ...data.files import PAIR
from ...data.sampling import Split
from ...runs import Run
from .fine_tune import FineTune

SHARE = 0.1  # of a document's words that are changed


def _deleted(words, places, random):
    return [word for place, word in enumerate(words) if place not in set(places)]


def _swapped(words, places, random):
    words = [*words]
    for place, other in zip(places, random.integers(len(words), size=len(places)), strict=True):
        words[place], words[other] = words[other], words[place]
    return words


def _inserted(words, places, random):
    extra = [words[place] for place in random.integers(len(words), size=len(places))]
    return np.insert(np.array(words, dtype=object), places, extra).tolist()


CHANGES = (_deleted, _swapped, _inserted)


def changed(text: str, random: np.random.Generator) -> str:
    """A text with a tenth of its words, one at least, deleted, swapped with others, or said once more elsewhere.

    Words stand between blanks. A text of one word stays. Of a pair of texts each is changed on its own.
    """
    return PAIR.join(_changed(half, random) for half in text.split(PAIR))


def _changed(text, random):
    words = text.split()
    if len(words) < 2:
        return text
    places = random.choice(len(words), max(1, round(SHARE * len(words))), replace=False)
    return " ".join(CHANGES[random.integers(len(CHANGES))](words, places, random))


@method("eda", number="1.0", example=1)
class Eda(FineTune):
    """Fine-tuning on each document and on `argument` copies of it with small changes.

    Of the source's four changes three: synonyms would need a dictionary, and where it inserts one a word of the text
    itself is said again. For languages with blanks between words. It costs as much more as there are more documents;
    where `min_steps` decides how many epochs there are, it costs nothing, and each document is seen less often.
    """

    def __init__(self, argument: int):
        self.copies_of = argument

    def read(self, run: Run, documents: int) -> int:
        """Copies are documents too."""
        return super().read(run, documents * (1 + self.copies_of))

    def documents(self, train: Split, run: Run) -> Split:
        """The documents, and behind them their changed copies."""
        random = np.random.default_rng(run.seed)
        texts = [changed(text, random) for _ in range(self.copies_of) for text in train.texts]
        return Split([*train.texts, *texts], np.tile(train.classes, 1 + self.copies_of))
