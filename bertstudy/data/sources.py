"""The texts of further pretraining (§5.4.2)."""

from ..registry import unique
from ..runs import Run
from .catalogue import peers
from .control.corpora import general
from .corpora import LIBRARY, Library
from .sampling import plain


def sources(run: Run) -> list[str]:
    """The names of the corpora whose texts a run's further pretraining reads (§5.4.2).

    "in_domain" are all English corpora of the same kind and "cross_domain" those of every kind, among the composed ones
    for a composed corpus and among the paper's for one of those. Raises ValueError where a domain is asked of a corpus
    that has none, such as a Chinese one or a file.
    """
    asked = run.further_pretraining
    if asked == "within_task":
        return [run.corpus]
    if asked not in ("in_domain", "cross_domain"):
        return asked.split("+")
    if names := peers(run.corpus, asked):
        return names
    raise ValueError(
        f"further_pretraining={asked!r}: corpus={run.corpus!r} belongs to no domain here. Use 'within_task', or "
        f"name the corpora, as in 'imdb+yelp_full'."
    )


def corpora_of(run: Run) -> list[str]:
    """The names of all corpora that a run reads, its own first, each once."""
    further = sources(run) if run.further_pretraining != "none" else []
    named = [run.corpus, run.tested_on, *run.multitask.split("+"), run.retention, *further]
    return unique(name for name in named if name not in ("", "none", "general"))


def source_texts(run: Run, library: Library = LIBRARY) -> list[str]:
    """The texts of a run's further pretraining: train (and unlabelled) texts of its sources, in order, each once.

    Texts in the test set of one of them, or of the run's own corpus, are left out. Raises ValueError for a source that
    is no corpus.
    """
    own = library.of(run)
    corpora = [own if name == run.corpus else library.load(name) for name in sources(run)]
    taken = {plain(text) for corpus in [own, *corpora] for text in corpus.test.texts}
    texts = [text for corpus in corpora for text in corpus.train.texts]
    if run.pretraining_unlabelled:
        texts += [text for corpus in corpora for text in corpus.unlabelled]
    return [text for text in unique(texts) if plain(text) not in taken]


def texts_of(name: str, library: Library = LIBRARY) -> list[str]:
    """Texts to measure masked-LM loss on: a corpus's train, or what the control encoders read ("general")."""
    return general() if name == "general" else library.load(name).train.texts
