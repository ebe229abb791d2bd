"""The classifier: an encoder, poolings over pieces, layers and segments, dropout, a linear head (§3)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..choices.methods import METHODS
from ..choices.pooling import LAYER_POOLINGS, PIECE_POOLINGS, SEGMENT_POOLINGS, parse_layers
from ..runs import Run
from . import memory, predicting, saving
from .batching import Batch, pack, size, with_types, within
from .dropout import Dropout
from .encoder import Encoder
from .explanations import Explanation
from .loading import check_encoder, encoder_config, load_tokenizer
from .precision import autocast
from .predictions import Predictions, checked_texts, predictions, reads_pairs
from .progress import ticking
from .segments import Document, Segmenter


class Classifier(nn.Module):
    """Texts to labels by the recipe of a `Run`. Build one with `Classifier.build`, read one with `Classifier.load`.

    scale: what its logits have been multiplied by since its training (`rescale`). threshold: the probability below
    which a prediction is best left to a person, where one was chosen; for `predict(texts, threshold=…)`.
    """

    scale: float = 1.0
    threshold: float | None = None

    def __init__(self, encoder: Encoder, tokenizer: Any, run: Run, labels: Iterable[str]):
        super().__init__()
        self.run, self.labels, self.tokenizer = run, list(labels), tokenizer
        self.segmenter = Segmenter(tokenizer, run.truncation, run.window, reads_pairs(run), run.prefix)
        self.encoder = encoder
        pooling, self.layers = parse_layers(run.layers, encoder.config.num_hidden_layers)
        self.pool_pieces = PIECE_POOLINGS.find(run.piece_pooling)(encoder.config.hidden_size)
        self.pool_layers = LAYER_POOLINGS.find(pooling)(len(self.layers), encoder.config.hidden_size)
        method = METHODS.find(run.method)()
        self.reader = method.reader(self.pool_layers.width)
        width = self.reader.width if self.reader else self.pool_layers.width
        self.pool_segments = SEGMENT_POOLINGS.find(run.segment_pooling)(width)
        self.dropout = Dropout(run.head_dropout)
        self.head = nn.Linear(width, len(self.labels))
        nn.init.normal_(self.head.weight, std=0.02)  # as BERT's own weights
        nn.init.zeros_(self.head.bias)
        method.prepare(self)

    @classmethod
    def build(cls, run: Run, labels: Iterable[str], weights: Path | str | None = None) -> "Classifier":
        """A classifier to be trained: the run's encoder, cut above the highest layer read, and a new head.

        `weights` is the folder of a further pretrained encoder, whose weights are taken instead.

        Raises ValueError where the encoder can't be loaded, lacks the layers, or has a smaller window.
        """
        check_encoder(run)
        depth = parse_layers(run.layers, encoder_config(run.encoder).num_hidden_layers)[1].stop
        torch.manual_seed(run.seed)
        encoder = Encoder.load(str(weights or run.encoder), depth, run.dropout, run.attention_dropout)
        return cls(encoder, load_tokenizer(run.encoder), run, labels)

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits (documents, classes), in float32, of a `Batch`."""
        return self.classify(self.vectors(batch), batch.documents)

    def train(self, mode: bool = True) -> "Classifier":
        """Switch dropout on or off; in an encoder that is frozen it stays off."""
        super().train(mode)
        if self.reader:
            self.encoder.eval()
        return self

    def vectors(self, batch: Batch) -> torch.Tensor:
        """A vector a segment: (segments, width)."""
        if reads_pairs(self.run) and getattr(self.encoder.config, "type_vocab_size", 0) > 1:
            batch = with_types(batch, self.tokenizer.sep_token_id)
        with autocast(self.device, self.run.precision):
            if self.reader is None:
                return self.pool_layers(torch.stack(self._of_segments(batch)))
            with torch.no_grad():
                states = self.pool_layers(torch.stack(self.encoder(batch, self.layers)))
        return self.reader(states.float(), batch.bounds)

    def _of_segments(self, batch):
        """A vector a segment from each layer that is read, a list of (segments, hidden)."""
        if PIECE_POOLINGS.entry(self.run.piece_pooling).first_only:
            return self.encoder.first(batch, self.layers)
        return [self.pool_pieces(state, batch.bounds) for state in self.encoder(batch, self.layers)]

    def classify(self, vectors: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        """Logits (documents, classes), in float32, from the vectors of their segments; documents: see `Batch`."""
        with autocast(self.device, self.run.precision):
            return self.head(self.dropout(self.pool_segments(vectors, documents))).float()

    @property
    def budget(self) -> int:
        """How many word pieces to compute at once on this device, by the memory that is free."""
        return memory.budget(self.device, self.encoder.config)

    def logits(self, documents: list[Document], budget: int | None = None, progress: str = "") -> torch.Tensor:
        """Logits (n, classes) on the CPU of n documents of segments, in their order, without dropout.

        progress: the name of a bar that shows how many are done; "" for none.
        """
        return self._in_batches(self, documents, len(self.labels), budget, progress)

    def embed(self, documents: list[Document], budget: int | None = None, progress: str = "") -> torch.Tensor:
        """The vectors (n, width), on the CPU, that the head reads of n documents of segments, without dropout."""
        pooled = lambda batch: self.pool_segments(self.vectors(batch), batch.documents).float()  # noqa: E731
        return self._in_batches(pooled, documents, self.head.in_features, budget, progress)

    @torch.inference_mode()
    def _in_batches(self, compute, documents, width, budget, progress):
        """What compute(batch) gives for each document, (n, width): documents of like length together."""
        training = self.training
        self.eval()
        order = sorted(range(len(documents)), key=lambda index: size(documents[index]))
        result, done, budget = torch.empty(len(documents), width, device=self.device), 0, budget or self.budget
        groups, cut_by = within(documents, order, budget), budget

        def following(budget):  # of those not done yet, as many as are within the budget
            nonlocal groups, cut_by
            if budget != cut_by:
                groups, cut_by = within(documents, order[done:], budget), budget
            group = next(groups)
            return group, compute(pack([documents[index] for index in group]).to(self.device))

        try:
            with ticking(progress, len(order), "doc", bool(progress)) as bar:
                while done < len(order):
                    (group, vectors), budget = memory.halving(following, budget)
                    result[group] = vectors
                    done += len(group)
                    bar.update(len(group))
        finally:
            self.train(training)
        return result.cpu()

    @torch.no_grad()
    def rescale(self, scale: float) -> None:
        """Have the head's logits multiplied by `scale` in all, one over a temperature: labels stay as they are."""
        for weights in (self.head.weight, self.head.bias):
            weights.mul_(scale / self.scale)
        self.scale = scale

    def predict(self, texts: list[str] | str, progress: bool = False, threshold: float | None = None) -> Predictions:
        """Labels (n) and probabilities (n, classes) of a list of n texts, or of one, truncated as in training.

        The columns of the probabilities are in the order of `labels`. progress: whether a bar is shown where it takes
        long. threshold: a label is None where its probability is below it, such as the classifier's own `threshold`.
        Raises TypeError for anything that is not text.
        """
        texts = checked_texts(texts, self.run)
        probabilities = self.logits(self.segmenter(texts), progress="predicting" * progress).softmax(-1).numpy()
        return predictions(self.labels, probabilities, threshold)

    def represent(self, texts: list[str]) -> np.ndarray:
        """The vectors (n, width) that the head reads of n texts, without dropout."""
        return self.embed(self.segmenter(checked_texts(texts, self.run))).numpy()

    def explain(self, text: str, label: str | None = None) -> Explanation:
        """What each word of a text adds to its label, or to the one given (`explanations.Explanation`).

        Weights are of the label's margin, its logit less the mean of all; they and the rest add up to it, nearly. By
        integrated gradients over the pieces that are read: words that the truncation leaves out have none. Raises
        ValueError for a classifier of pairs of texts.
        """
        from .gradients import explain

        return explain(self, text, label)

    def save(
        self,
        folder: Path | str,
        row: dict | None = None,
        license: str | None = None,
        language: str | None = None,
        format: str = "bertstudy",
    ) -> None:
        """Write all that `load` and transformers' pipelines need into a folder, with a model card (README.md).

        `row` is the result of this classifier's run; with it the card states documents and errors. `license` and
        `language` are the hub's codes, such as "apache-2.0" and "en". No path of this machine is written. format:
        "bertstudy" takes any recipe. "transformers" is a checkpoint of the encoder's own type that programs without
        this package load; it takes recipes of one segment whose last layer is read by [CLS], or by the mean where the
        type has that (`stock.stock`). "onnx" and "onnx-int8" are a graph for onnxruntime, which `load` reads too and
        needs no torch for; they take recipes of one segment. Raises ValueError for a row of another run, and for a
        recipe that a format can't carry out.
        """
        saving.save(self, folder, row, license, language, format)

    @classmethod
    def load(cls, name: Path | str) -> "Classifier":
        """A saved classifier, from a folder or by its hub id, ready to predict; a folder may hold one of words
        (`WordsClassifier`) or a graph (`OnnxClassifier`) too.

        Raises FileNotFoundError where there is none, ValueError for a model that `save` did not write.
        """
        return predicting.load(name)

    def push_to_hub(
        self,
        repo_id: str,
        private: bool = False,
        row: dict | None = None,
        license: str | None = None,
        language: str | None = None,
    ) -> str:
        """Upload what `save` writes to the Hugging Face hub, into a model repository that is made if there is none.

        Gives its full id. Raises ValueError where `private` is asked and the repository exists and is public.
        """
        return saving.push_to_hub(self, repo_id, private, row, license, language)
