"""Words alone (§5.4.3, Table 6): the baseline that an encoder is compared with."""

import time
from collections.abc import Callable

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from ...choices.methods import method
from ...data.sampling import Documents, Split
from ...model.words import SETTINGS
from ..job import Job, Outcome
from ..metrics import rank

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # scikit-learn's C, to be tried on dev: larger regularizes less
USUAL = 10.0  # where there is no dev part


def words_model(strength: float = USUAL) -> Pipeline:
    """TF-IDF of words and pairs of words with logistic regression: a scikit-learn pipeline, not fitted yet."""
    return make_pipeline(TfidfVectorizer(**SETTINGS), LogisticRegression(C=strength, max_iter=1000))


def score(model: Pipeline, split: Split, classes: int) -> tuple[float, float, np.ndarray]:
    """Error in percent, mean cross-entropy, and predicted classes (n) of a words_model on a Split.

    A class of the corpus that was not among the training documents has a probability of next to nothing.
    """
    probabilities = np.full((len(split.texts), classes), 1e-12)
    probabilities[:, model.classes_] = model.predict_proba(split.texts)
    predicted = probabilities.argmax(-1)
    loss = -np.log(probabilities[np.arange(len(predicted)), split.classes]).mean()
    return 100 * float((predicted != split.classes).mean()), float(loss), predicted


def floor(
    documents: Documents, classes: int, metric: str = "error", stop: Callable[[], None] | None = None
) -> tuple[Pipeline, list[dict]]:
    """Fit words_model at several strengths to Documents and keep the best on dev by a metric.

    Gives (model, history): a dict a strength, with epoch (its number), strength, dev_error (percent), dev_loss,
    dev_rank (see `metrics.rank`) and seconds since the start. Without a dev part only USUAL is fitted. stop: called
    before each fit.
    """
    begin, best, history = time.perf_counter(), None, []
    for number, strength in enumerate(STRENGTHS if documents.dev.texts else (USUAL,), 1):
        if stop:
            stop()
        model = words_model(strength).fit(documents.train.texts, documents.train.classes)
        dev = documents.dev
        error, loss, predicted = score(model, dev, classes) if dev.texts else (None, None, None)
        placed = rank(metric, dev.classes, predicted, loss) if dev.texts else None
        history.append({"epoch": number, "strength": strength, "dev_error": error, "dev_loss": loss})
        history[-1] |= {"dev_rank": placed, "seconds": time.perf_counter() - begin}
        if best is None or (placed, loss) < best[0]:
            best = (placed, loss), model
    return best[1], history


@method("tfidf", reads=("documents",), stages=(), number="1.0")
class Tfidf:
    """TF-IDF of words and pairs of words with logistic regression, its strength chosen on dev; reads no encoder.

    Its classifier is a scikit-learn pipeline, whose classes are places in the corpus's labels.
    """

    def carry_out(self, job: Job) -> Outcome:
        """Fit to the job's documents and score its test documents."""
        model, history = floor(job.documents, len(job.corpus.labels), job.run.metric, job.stop)
        begin = time.perf_counter()
        error, loss, predicted = score(model, job.documents.test, len(job.corpus.labels))
        return Outcome(model, history, error, loss, predicted, seconds={"test": time.perf_counter() - begin})
