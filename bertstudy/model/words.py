"""A classifier of words: TF-IDF and a linear layer, with the interface of `Classifier`. Needs no torch to predict."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer

from ..runs import Run, identity
from . import card
from .explanations import WORDS, Explanation, Word, spans_of
from .predictions import Predictions, check_row, checked_texts, portable, predictions, replacing

TYPE = "bertstudy-words"  # in config.json
SETTINGS = {"token_pattern": WORDS, "ngram_range": (1, 2), "sublinear_tf": True, "dtype": np.float32}


class WordsClassifier:
    """Texts to labels by their words and pairs of words.

    run, labels: as in `Classifier`. vocabulary: the features' names; idf (features): their inverse document
    frequencies; weights (classes, features) and bias (classes): those of the linear layer. scale, threshold: as in
    `Classifier`.
    """

    scale: float = 1.0
    threshold: float | None = None

    def __init__(
        self,
        run: Run,
        labels: Any,
        vocabulary: list[str],
        idf: np.ndarray,
        weights: np.ndarray,
        bias: np.ndarray,
    ):
        self.run, self.labels, self.vocabulary = run, list(labels), vocabulary
        self.idf = np.asarray(idf, dtype=np.float32)
        self.weights, self.bias = np.asarray(weights, np.float32), np.asarray(bias, np.float32)
        self.vectorizer = TfidfVectorizer(**SETTINGS, vocabulary={name: place for place, name in enumerate(vocabulary)})
        self.vectorizer.idf_ = self.idf

    def rescale(self, scale: float) -> None:
        """Have the logits multiplied by `scale` in all: see `Classifier.rescale`."""
        self.weights, self.bias = (values * np.float32(scale / self.scale) for values in (self.weights, self.bias))
        self.scale = scale

    def predict(self, texts: list[str] | str, progress: bool = False, threshold: float | None = None) -> Predictions:
        """Labels (n) and probabilities (n, classes) of a list of n texts, or of one: see `Classifier.predict`."""
        probabilities = softmax(self._logits(self.represent(texts)), axis=1)
        return predictions(self.labels, probabilities, threshold)

    def _logits(self, vectors):
        return np.asarray(vectors @ self.weights.T) + self.bias

    def represent(self, texts: list[str]) -> Any:
        """The TF-IDF vectors (n, features) of n texts, a sparse matrix."""
        return self.vectorizer.transform(checked_texts(texts, self.run))

    def explain(self, text: str, label: str | None = None) -> Explanation:
        """What each word of a text adds to its label, or to the one given: see `Classifier.explain`. These are exact.

        The share of a pair of words goes to both in halves.
        """
        (text,) = checked_texts([text], self.run)
        vector = self.vectorizer.transform([text])
        (logits,) = self._logits(vector)
        number = int(logits.argmax()) if label is None else self.labels.index(label)
        spans = spans_of(text)
        tokens = [text[start:end].lower() for start, end in spans]
        pairs = [" ".join(pair) for pair in pairwise(tokens)]
        own, known = self.weights[number] - self.weights.mean(0), self.vectorizer.vocabulary_
        values, counts = dict(zip(vector.indices, vector.data, strict=True)), Counter([*tokens, *pairs])
        weights = np.zeros(len(spans))
        for term, places in [(one, [at]) for at, one in enumerate(tokens)] + [
            (one, [at, at + 1]) for at, one in enumerate(pairs)
        ]:
            feature = known.get(term)
            if feature in values:
                weights[places] += values[feature] * own[feature] / (counts[term] * len(places))
        words = [Word(text[slice(*span)], *span, float(weight)) for span, weight in zip(spans, weights, strict=True)]
        rest = float(logits[number] - logits.mean() - weights.sum())
        return Explanation(self.labels[number], float(softmax(logits)[number]), words, rest)

    def save(
        self, folder: Path | str, row: dict | None = None, license: str | None = None, language: str | None = None
    ) -> None:
        """Write config, vocabulary, weights and model card into a folder, without pickle: see `Classifier.save`."""
        run = portable(self.run)
        if row is not None:
            check_row(row, run, self.labels)
        config = {"model_type": TYPE, "labels": self.labels, "run": identity(run)}
        config |= {"scale": self.scale, "threshold": self.threshold}
        arrays = {"idf": self.idf, "weights": self.weights, "bias": self.bias}
        with replacing(folder) as new:
            for name, value in (("config.json", config), ("vocabulary.json", self.vocabulary)):
                (new / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, new / "model.safetensors")
            card.model_card(run, self.labels, row, license, language).save(new / "README.md")

    @classmethod
    def load(cls, folder: Path | str) -> "WordsClassifier":
        """A saved classifier of words. Raises ValueError where a file is missing or does not belong to the others."""
        folder = Path(folder)
        try:
            config, vocabulary = (
                json.loads((folder / name).read_text(encoding="utf-8")) for name in ("config.json", "vocabulary.json")
            )
            arrays = load_file(folder / "model.safetensors")
            shape = len(config["labels"]), len(vocabulary)
            if arrays["weights"].shape != shape or arrays["idf"].shape != shape[1:]:
                raise ValueError(f"model.safetensors has weights of shape {arrays['weights'].shape}, not {shape}")
            for name, values in arrays.items():
                if not np.isfinite(values).all():
                    raise ValueError(f"model.safetensors has values in {name} that are no numbers")
            classifier = cls(Run(**config["run"]), config["labels"], vocabulary, **arrays)
            classifier.scale, classifier.threshold = config.get("scale", 1.0), config.get("threshold")
            return classifier
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder}: the saved classifier can't be read. {error}") from error
