"""Pairs of documents first, then a linear head (Tunstall et al. 2022, SetFit): for few labels."""

import numpy as np
import torch
from accelerate import PartialState
from torch.nn.functional import cosine_similarity, mse_loss

from ...choices.methods import method
from ...model.batching import pack, within
from ...model.classifier import Classifier
from ...model.memory import sent
from ...model.precision import grad_scaler
from ...model.progress import ticking
from ...model.segments import Document
from ...runs import Run
from ..fine_tuning import epochs_of
from ..job import Job, stopping
from ..optim import Optimizer, parameter_groups
from .embeddings import Embeddings
from .fine_tune import untrained

Pair = tuple[int, int, float]  # two documents, and 1 where they are of one class, else 0


def pairs(classes: np.ndarray, rounds: int, random: np.random.Generator) -> list[Pair]:
    """For each of n documents, `rounds` pairs with others of its class and as many with those of another.

    A document that is alone in its class is paired with itself.
    """
    drawn = []
    for one, own in enumerate(classes):
        alike, other = np.flatnonzero(classes == own), np.flatnonzero(classes != own)
        alike = alike[alike != one] if len(alike) > 1 else alike
        for among, target in ((alike, 1.0), (other, 0.0)):
            chosen = random.choice(among, rounds) if len(among) else []
            drawn += [(one, int(second), target) for second in chosen]
    return drawn


def pair_loss(vectors: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean squared error of the cosine of two vectors against their target, summed over n pairs.

    vectors: (2n, width), the pairs' first documents before their second. targets: (n).
    """
    return mse_loss(cosine_similarity(*vectors.chunk(2)), targets, reduction="sum")


def tune(classifier: Classifier, documents: list[Document], drawn: list[Pair], progress: bool = True) -> list[float]:
    """Train a classifier's encoder on pairs of documents by its run, whose batches are of pairs; the losses by step."""
    run, shuffler = classifier.run, np.random.default_rng(classifier.run.seed)
    epochs = epochs_of(run, len(drawn))
    starts = range(0, len(drawn), run.batch_size)
    scaler = grad_scaler(classifier.device, run.precision)
    classifier.head.requires_grad_(False)  # pairs know no classes
    optimizer, losses = Optimizer(parameter_groups(classifier, run), run, epochs * len(starts), scaler), []
    torch.manual_seed(run.seed)
    with ticking("pairs", epochs * len(drawn), "pair", progress) as bar:
        for _ in range(epochs):
            order = shuffler.permutation(len(drawn))
            for start in starts:
                classifier.train()
                batch = [drawn[place] for place in order[start : start + run.batch_size]]
                losses.append(_backward(classifier, documents, batch, scaler.scale))
                optimizer.clip(classifier.parameters(), run.max_grad_norm)
                optimizer.step()
                bar.update(len(batch))
    classifier.head.requires_grad_(True)
    classifier.eval()
    return losses


def _backward(classifier, documents, batch, scale):
    """Add the gradient of a batch of pairs; gives its loss, the mean over pairs."""
    total = 0.0
    both = [documents[first] + documents[second] for first, second, _ in batch]
    for part in within(both, range(len(batch)), classifier.budget):
        first, second, targets = zip(*(batch[index] for index in part), strict=True)
        packed = pack([documents[index] for index in first + second]).to(classifier.device)
        vectors = classifier.pool_segments(classifier.vectors(packed), packed.documents).float()
        loss = pair_loss(vectors, sent(torch.tensor(targets), classifier.device)) / len(batch)
        scale(loss).backward()
        total += loss.item()
    return total


@method(
    "contrastive",
    reads=("documents", "segments", "encoder", "vector", "training", "fine_tuning", "pretraining", "multitask"),
    number="2.0",
    example=20,
    settings={"epochs": 1, "min_steps": 0, "batch_size": 16, "learning_rate": 2e-5, "piece_pooling": "normalized_mean"},
)
class Contrastive(Embeddings):
    """The encoder learns to tell pairs of one class from others; then logistic regression on its vectors.

    Each document is in `argument` pairs with others of its class and as many with those of another; a batch is of
    pairs. The loss of a pair is (cosine - 1)² or cosine²: only directions are learnt, so the head reads vectors of
    length one. An epoch reads 2 · argument · n pairs of two documents: with a hundred documents it takes as long as
    fine-tuning on thousands. The source has one epoch, batches of 16, a rate of 2e-5 and 20 pairs.
    """

    def __init__(self, argument: int):
        self.rounds = argument

    def read(self, run: Run, documents: int) -> int:
        """Two documents a pair."""
        number = 2 * self.rounds * documents
        return 2 * number * epochs_of(run, number)

    def encoder(self, job: Job) -> Classifier:
        """A classifier whose encoder has learnt from pairs."""
        classifier, *_ = untrained(job.run, job.corpus, job.library, job.progress)
        classifier.to(PartialState().device)
        train = job.documents.train
        drawn = pairs(train.classes, self.rounds, np.random.default_rng(job.run.seed))
        with stopping(classifier, job.stop):
            tune(classifier, classifier.segmenter(train.texts), drawn, job.progress)
        return classifier
