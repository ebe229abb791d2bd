"""Frozen embeddings with a linear head: the baseline that fine-tuning is compared with where labels are few."""

import hashlib
import time
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from ...choices.methods import method
from ...model.classifier import Classifier
from ..job import Job, Outcome, stopping
from ..linear import fit_linear
from .fine_tune import FineTune, untrained

STRENGTHS = (1.0, 10.0, 100.0)
ITERATIONS = 4e10  # of a fit, times the cells of its vectors, times its classes: it takes seconds


def _candidates(cells, classes):
    """Logistic regressions, iterated until they are settled: no processor's rounding decides where they stop."""
    most = int(np.clip(ITERATIONS / (cells * classes), 50, 1000))
    return [
        LogisticRegression(C=strength, class_weight=weights, max_iter=most, tol=1e-6)
        for weights, strengths in ((None, STRENGTHS), ("balanced", STRENGTHS[:2]))
        for strength in strengths
    ]


@lru_cache(maxsize=1)
def _known(_settings):
    """The vectors of the texts that an encoder with these settings has read, and the seconds that each took: a cache,
    by the digest of the text."""
    return {}


def _digest(classifier):
    """Of all weights that a document's vector is made with, whatever file or seed they are from."""
    digest = hashlib.blake2b()
    for name, weight in classifier.state_dict().items():
        if not name.startswith("head."):
            digest.update(weight.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.digest()


def _known_to(classifier):
    """The cache of a classifier: the same one as long as its weights below the head and the settings are the same."""
    run = classifier.run
    settings = (run.truncation, run.window, run.prefix, run.layers, run.piece_pooling, run.segment_pooling)
    return _known((_digest(classifier), run.encoder, run.precision, *settings))


def embedded(classifier: Classifier, texts: list[str], known: dict, progress: bool = False) -> tuple[np.ndarray, float]:
    """The vectors (n, width) of n texts, and the seconds that were saved, since some were `known`; others become so.

    progress: whether a bar is shown.
    """
    keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
    new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    saved, begin = sum(known[key][1] for key in set(keys) - set(new)), time.perf_counter()
    vectors = classifier.embed(classifier.segmenter(list(new.values())), progress="embedding" * progress).numpy()
    each = (time.perf_counter() - begin) / max(1, len(new))
    known.update({key: (vector, each) for key, vector in zip(new, vectors, strict=True)})
    return np.stack([known[key][0] for key in keys]), saved


def fit_head(classifier: Classifier, vectors: np.ndarray, classes: np.ndarray, **options: Any) -> list[dict]:
    """Fit the head to vectors (n, width) and their classes (n): its history. options: of `linear.fit_linear`.

    Vectors are moved and scaled to a mean of zero and a mean length of one, so that a strength means the same for all
    encoders; both are put into the head afterwards.
    """
    middle, count = vectors.mean(0, dtype=float), len(classifier.labels)
    centred = vectors - middle
    unit = float(np.linalg.norm(centred, axis=1).mean()) or 1.0  # 0: all vectors are the same
    model, history = fit_linear(centred / unit, classes, count, _candidates(vectors.size, count), **options)
    weights = model.weights / unit
    with torch.no_grad():
        classifier.head.weight.copy_(torch.from_numpy(weights))
        classifier.head.bias.copy_(torch.from_numpy(model.bias - weights @ middle))
    return history


@method(
    "embeddings",
    reads=("documents", "segments", "encoder", "vector", "pretraining", "multitask"),
    settings={"piece_pooling": "mean"},
    stages=("segments", "encoder"),
    number="3.0",
)
class Embeddings(FineTune):
    """Logistic regression on the frozen encoder's vectors, its strength chosen on dev, fitted to train and dev."""

    def encoder(self, job: Job) -> Classifier:
        """A classifier whose encoder is as it will stay."""
        return untrained(job.run, job.corpus, job.library, job.progress)[0]

    def carry_out(self, job: Job) -> Outcome:
        """Fit the head to the job's documents and score its test documents."""
        begin = time.perf_counter()
        classifier = self.encoder(job)
        classifier.to(PartialState().device)
        train, dev, test = job.documents
        with stopping(classifier, job.stop):
            known = _known_to(classifier)
            vectors, saved = embedded(classifier, [*train.texts, *dev.texts], known, job.progress)
            options = {"dev_size": len(dev.texts), "metric": job.run.metric, "seed": job.run.seed, "stop": job.stop}
            classes = np.concatenate([train.classes, dev.classes])
            history = fit_head(classifier, vectors, classes, **options)
            seconds = {"train": time.perf_counter() - begin + saved}
            begin = time.perf_counter()
            tested, saved_too = embedded(classifier, test.texts, known, job.progress)
            logits = classifier.head(torch.from_numpy(tested).to(classifier.device)).detach().cpu()
        predicted, truth = logits.argmax(-1).numpy(), torch.from_numpy(test.classes)
        error = 100 * float((predicted != test.classes).mean())
        seconds |= {"test": time.perf_counter() - begin + saved_too, "saved": saved + saved_too}
        return Outcome(classifier, history, error, cross_entropy(logits, truth).item(), predicted, seconds)
