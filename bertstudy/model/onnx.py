"""A saved classifier that onnxruntime computes. Needs no torch."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from transformers import AutoTokenizer

from ..runs import Run
from .loading import check_tokenizer, quiet
from .predictions import Predictions, checked_texts, predictions, reads_pairs
from .progress import ticking
from .segments import Document, Segmenter

TYPE = "bertstudy-onnx"  # in config.json
GRAPH = "model.onnx"
INPUTS = ("input_ids", "attention_mask")
BUDGET = 4096  # pieces with their padding that are computed at once


def required(*packages: str) -> None:
    """Raise ValueError unless these packages are installed, and say how they are."""
    if lacking := [name for name in packages if find_spec(name) is None]:
        raise ValueError(f"{lacking[0]} is not installed: pip install 'bertstudy[onnx]'.")


class OnnxClassifier:
    """Texts to labels by an ONNX graph, on the CPU, with the interface of `Classifier`.

    session: an onnxruntime.InferenceSession of the graph; the rest is as in `Classifier`.
    """

    scale: float = 1.0
    threshold: float | None = None

    def __init__(self, session: Any, tokenizer: Any, run: Run, labels: list[str]):
        self.session, self.tokenizer, self.run, self.labels = session, tokenizer, run, list(labels)
        self.segmenter = Segmenter(tokenizer, run.truncation, run.window, reads_pairs(run), run.prefix)

    def predict(self, texts: list[str] | str, progress: bool = False, threshold: float | None = None) -> Predictions:
        """Labels (n) and probabilities (n, classes) of a list of n texts, or of one: see `Classifier.predict`."""
        logits = self.logits(self.segmenter(checked_texts(texts, self.run)), "predicting" * progress)
        return predictions(self.labels, softmax(logits, axis=1), threshold)

    def logits(self, documents: list[Document], progress: str = "") -> np.ndarray:
        """Logits (n, classes) of n documents of one segment each, in their order; those of like length together."""
        order = sorted(range(len(documents)), key=lambda index: -len(documents[index][0]))
        result = np.empty((len(documents), len(self.labels)), dtype=np.float32)
        with ticking(progress, len(order), "doc", bool(progress)) as bar:
            while len(order):
                size = max(1, BUDGET // len(documents[order[0]][0]))
                group, order = order[:size], order[size:]
                result[group] = self._of([documents[index][0] for index in group])
                bar.update(len(group))
        return result

    def _of(self, segments):
        """Logits of segments that are computed together, the longest first."""
        shape = len(segments), len(segments[0])
        ids, mask = np.full(shape, self.tokenizer.pad_token_id or 0, np.int64), np.zeros(shape, np.int64)
        for row, segment in enumerate(segments):
            ids[row, : len(segment)], mask[row, : len(segment)] = segment, 1
        return self.session.run(None, dict(zip(INPUTS, (ids, mask), strict=True)))[0]

    @classmethod
    def load(cls, folder: Path | str) -> "OnnxClassifier":
        """A classifier saved with format="onnx". Raises ValueError where a file is missing or can't be read."""
        required("onnxruntime")
        import onnxruntime

        folder = Path(folder)
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            session = onnxruntime.InferenceSession(folder / GRAPH, providers=["CPUExecutionProvider"])
            with quiet():  # config.json is of no type that transformers has
                tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            check_tokenizer(tokenizer, config["marks"])
            classifier = cls(session, tokenizer, Run(**config["run"]), config["labels"])
            classifier.scale, classifier.threshold = config["scale"], config["threshold"]
        except Exception as error:  # onnxruntime's have no common type
            line = str(error).strip().partition("\n")[0]
            raise ValueError(f"{folder}: the saved classifier can't be read. {line}") from error
        if session.get_outputs()[0].shape[-1] != len(classifier.labels):
            raise ValueError(f"{folder}: {GRAPH} is of another classifier than config.json; save it again.")
        return classifier
