"""Fine-tuning: a loop on Accelerate. One process or several (`accelerate launch`), the same steps either way."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object
from torch import nn
from torch.nn.functional import cross_entropy

from ..model.batching import pack, size, within
from ..model.classifier import Classifier
from ..model.memory import halving, sent
from ..model.precision import grad_scaler
from ..model.progress import ticking
from ..model.segments import Document
from ..runs import Run
from .log import Scalar, silent
from .metrics import rank
from .optim import Optimizer, parameter_groups

Labelled = tuple[list[Document], list[int]]

LOOK_EVERY = 20  # steps: how often what is on the device is waited for
LONG = 4  # budgets: a document longer than this is computed in parts


class Technique:
    """What a method may change in the fine-tuning of a classifier; as it stands, nothing (see training/methods/)."""

    copies = 1  # of each document in a batch, each with a dropout of its own

    def loss(self, logits: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """The sum over n documents of a batch of their losses, each times its class's weight (see `class_weights`).

        logits: (copies * n, classes), all documents once before any is there again; truth: (n).
        """
        return cross_entropy(logits, truth, weights, reduction="sum")

    def before_step(self, classifier: Classifier, done: float) -> None:
        """Before a step, with the share of all steps that are done, from 0 to below 1."""

    def after_step(self, classifier: Classifier, optimizer: Optimizer) -> None:
        """After a step."""

    def scored(self, classifier: Classifier) -> dict[str, torch.Tensor]:
        """The weights, a state_dict, that are scored on dev and kept in place of those that are trained; {}: these."""
        return {}


PLAIN = Technique()


def epochs_of(run: Run, documents: int) -> int:
    """How many epochs a run makes over n documents: run.epochs, or more where run.min_steps asks for it."""
    return max(run.epochs, math.ceil(run.min_steps / math.ceil(documents / run.batch_size)))


def evaluate(
    classifier: Classifier, documents: list[Document], labels: Sequence[int], progress: bool = False
) -> tuple[float, float, np.ndarray]:
    """Error in percent, mean cross-entropy, and the predicted classes (n) of documents of segments."""
    show = "scoring" if progress and PartialState().is_main_process else ""
    state = PartialState()
    mine = list(range(state.process_index, len(documents), state.num_processes))
    logits = torch.empty(len(documents), len(classifier.labels))
    scored = classifier.logits([documents[index] for index in mine], progress=show)
    for indices, part in gather_object([(mine, scored)]):
        logits[indices] = part
    labels, predicted = torch.as_tensor(labels), logits.argmax(-1)
    error = 100 * (predicted != labels).double().mean().item()
    return error, cross_entropy(logits, labels).item(), predicted.numpy()


@contextmanager
def _as_scored(classifier, technique):
    """Inside, the classifier has the weights that are scored."""
    scored = technique.scored(classifier)
    trained = {name: value.clone() for name, value in classifier.state_dict().items()} if scored else {}
    classifier.load_state_dict(scored, strict=False)
    yield
    classifier.load_state_dict(trained, strict=False)


def _at_once(model, batch, loss_of, scale):
    logits = model(batch)
    loss = loss_of(logits)
    scale(loss).backward()
    return loss.detach(), logits.detach()


def _in_parts(classifier, document, most, loss_of, scale):
    """Loss and gradient of one very long document, with the memory of at most `most` of its pieces.

    Its segments' vectors are first computed without a gradient, the loss's gradient is taken for these, and each part
    is then computed again to carry it on (Gao et al., 2021, do so for contrastive losses). Both times a part draws
    the same dropout.
    """
    order = within([[segment] for segment in document], range(len(document)), most)
    parts = [pack([[document[index] for index in part]]).to(classifier.device) for part in order]
    seeds = torch.randint(2**31, (len(parts),)).tolist()

    def vectors(part, seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return classifier.vectors(part)

    with torch.no_grad():
        segment_vectors = torch.cat([vectors(*pair) for pair in zip(parts, seeds, strict=True)])
    segment_vectors.requires_grad_()
    loss_and_logits = _at_once(
        lambda _: classifier.classify(segment_vectors, torch.tensor([0, len(document)])), None, loss_of, scale
    )
    for part, seed, gradient in zip(
        parts, seeds, segment_vectors.grad.split([len(part.lengths) for part in parts]), strict=True
    ):
        again = vectors(part, seed)
        if again.requires_grad:  # what is below the head may be frozen
            again.backward(gradient)
    return loss_and_logits


def class_weights(run: Run, labels: Sequence[int], classes: int) -> torch.Tensor | None:
    """Each class's weight in the loss, (classes): documents / (classes there are * its documents); None: all alike.

    Over the training documents the weights have a mean of 1, as in scikit-learn's "balanced".
    """
    if run.class_weights == "none":
        return None
    counts = np.bincount(labels, minlength=classes)
    return torch.tensor(len(labels) / ((counts > 0).sum() * np.maximum(counts, 1)), dtype=torch.float32)


def backward(
    accelerator: Accelerator,
    model: nn.Module,
    documents: list[Document],
    labels: list[int],
    weights: torch.Tensor | None,
    budget: int,
    scale: Callable[[torch.Tensor], torch.Tensor] = lambda loss: loss,
    technique: Technique = PLAIN,
) -> torch.Tensor:
    """Add a batch's gradient to the parameters; gives its loss, the mean over its documents, and its error in percent.

    They are a tensor (2) on the model's device, where nothing waits for them. weights: of the classes in the loss
    (`class_weights`), on the model's device too. scale: what the loss becomes before its gradient is taken.

    The mean holds however the batch is cut: over micro-batches of at most `budget` word pieces (a document of more
    than LONG budgets is computed in parts where there is one process), and over
    processes, whose gradients Accelerate averages. A process left without a document computes one at no weight.
    technique: whose loss is taken.
    """
    rank, world = accelerator.process_index, accelerator.num_processes
    share = list(range(rank, len(documents), world)) or [0]
    weight = world / len(documents) if rank < len(documents) else 0.0
    groups = list(within(documents, share, budget // technique.copies))
    total = torch.zeros(2, device=accelerator.device)
    for number, group in enumerate(groups, 1):
        truth = sent(torch.tensor([labels[index] for index in group]), accelerator.device)
        with nullcontext() if number == len(groups) else accelerator.no_sync(model):
            is_long = size(documents[group[0]]) > LONG * budget
            if is_long and world == technique.copies == 1:
                forward = partial(_in_parts, model, documents[group[0]], LONG * budget)
            else:
                batch = pack([documents[index] for index in group] * technique.copies)
                forward = partial(_at_once, model, batch.to(accelerator.device))
            loss, logits = forward(lambda logits, truth=truth: weight * technique.loss(logits, truth, weights), scale)
        wrong = weight * (logits[: len(group)].argmax(-1) != truth).sum()
        total += torch.stack([loss.detach(), 100 * wrong])
    return accelerator.reduce(total, "mean")


def in_memory(
    accelerator: Accelerator, model: nn.Module, add_gradient: Callable[[int], torch.Tensor], budget: int
) -> tuple[torch.Tensor, int]:
    """What add_gradient(budget) gives, and the budget: where memory is exceeded all of it is done again with half.

    With several processes it isn't, as the others would wait for this one.
    """
    if accelerator.num_processes > 1:
        return add_gradient(budget), budget
    return halving(add_gradient, budget, again=model.zero_grad)


class Watch:
    """The history of a fine-tuning, and the weights that were best on dev. log: where single numbers go."""

    def __init__(self, classifier: Classifier, dev: Labelled | None, progress: bool = False, log: Scalar = silent):
        self.classifier, self.dev, self.history, self.progress, self.log = classifier, dev, [], progress, log
        self.best, self.weights = (math.inf, math.inf), None
        self.pending, self.sums, self.documents = [], np.zeros(2), 0  # of loss and error since the last look
        self.steps = 0  # whose loss is known
        self.pieces, self.begin = 0, time.perf_counter()

    def saw(self, documents: list[Document], numbers: torch.Tensor) -> None:
        """A batch has been trained on, with loss and error (2): they stay on the device until they are asked for."""
        self.pending.append((len(documents), numbers))
        self.pieces += sum(map(size, documents))

    def means(self) -> np.ndarray:
        """Mean loss and error (2) of the documents since the last look."""
        if self.pending:
            counts, numbers = zip(*self.pending, strict=True)
            known = torch.stack(numbers).cpu().double().numpy()
            for step, (loss, _) in enumerate(known.tolist(), self.steps + 1):
                self.log("train/loss", loss, step)
            self.steps += len(known)
            self.sums += np.array(counts) @ known
            self.documents += sum(counts)
            self.pending = []
        return self.sums / self.documents

    def look(self, epoch: int, optimizer: Optimizer) -> None:
        """Score dev, keep the weights if they are the best so far, and write down how things stand."""
        error, loss, predicted = evaluate(self.classifier, *self.dev, self.progress) if self.dev else (None, None, None)
        score = rank(self.classifier.run.metric, np.array(self.dev[1]), predicted, loss) if self.dev else None
        if self.dev and (score, loss) < self.best:
            self.best = (score, loss)
            self.weights = {name: value.cpu().clone() for name, value in self.classifier.state_dict().items()}
        entry = {"epoch": epoch, "step": optimizer.taken, "learning_rate": optimizer.learning_rate}
        entry |= dict(zip(("loss", "train_error"), self.means().tolist(), strict=True))
        entry |= {"dev_error": error, "dev_loss": loss, "dev_rank": score}
        self.log("learning_rate", optimizer.learning_rate, optimizer.taken)
        if self.dev:
            self.log("dev/error", error, optimizer.taken)
            self.log("dev/loss", loss, optimizer.taken)
        self.history.append(entry | {"seconds": time.perf_counter() - self.begin, "pieces": self.pieces})
        self.sums, self.documents = np.zeros(2), 0


def fit(
    classifier: Classifier,
    train: Labelled,
    dev: Labelled | None = None,
    budget: int | None = None,
    progress: bool = True,
    at_end: Callable[[], Any] | None = None,
    technique: Technique = PLAIN,
    log: Scalar = silent,
) -> list[dict]:
    """Fine-tune a Classifier by its run and keep its best epoch (§5.2).

    train, dev: (documents of segments, classes as ints). The best epoch is that by run.metric on dev, among equals
    that of the lowest dev loss; without dev it is the last. `budget` (None: the device's) bounds memory, not the
    result: see `backward`. `at_end` is called after the last step, before the best weights are put back. technique:
    what a method changes. log: where the loss of each step goes, and what dev says (see `log.logged`).

    Gives the history, a dict an epoch, or one for each of an epoch's `run.evaluations`: epoch, step, loss and
    train_error (percent, of the documents trained on since the one before), learning_rate (the last base rate),
    dev_error (percent), dev_loss, dev_rank (see `metrics.rank`), seconds and pieces (word pieces trained on) since the
    start.
    """
    (documents, labels), run, accelerator = train, classifier.run, Accelerator()
    classifier.to(accelerator.device)
    steps = epochs_of(run, len(documents)) * math.ceil(len(documents) / run.batch_size)
    scaler = grad_scaler(accelerator.device, run.precision)
    optimizer = Optimizer(parameter_groups(classifier, run), run, steps, scaler)
    model, budget = accelerator.prepare(classifier), budget or classifier.budget
    shuffler = np.random.default_rng(run.seed)
    torch.manual_seed(run.seed + accelerator.process_index)  # dropout differs between processes
    watch, weights = Watch(classifier, dev, progress, log), class_weights(run, labels, len(classifier.labels))
    weights = weights if weights is None else weights.to(accelerator.device)
    per_epoch = math.ceil(len(documents) / run.batch_size)
    marks = {math.ceil(per_epoch * part / run.evaluations) for part in range(1, run.evaluations + 1)}
    show = progress and accelerator.is_main_process
    with ticking("fine-tuning", steps // per_epoch * len(documents), "doc", show) as bar:
        while optimizer.taken < steps:
            order = shuffler.permutation(len(documents)).tolist()
            for number, start in enumerate(range(0, len(order), run.batch_size), 1):
                model.train()
                batch = order[start : start + run.batch_size]
                chosen, classes = [documents[index] for index in batch], [labels[index] for index in batch]
                technique.before_step(classifier, optimizer.taken / steps)
                add_gradient = partial(
                    backward, accelerator, model, chosen, classes, weights, scale=scaler.scale, technique=technique
                )
                numbers, budget = in_memory(accelerator, classifier, add_gradient, budget)
                watch.saw(chosen, numbers)
                optimizer.clip(classifier.parameters(), run.max_grad_norm)
                optimizer.step()
                technique.after_step(classifier, optimizer)
                if optimizer.taken % LOOK_EVERY == 0:
                    bar.set_postfix(loss=f"{watch.means()[0]:.3f}", refresh=False)
                bar.update(len(batch))
                if number in marks:
                    with _as_scored(classifier, technique):
                        watch.look(math.ceil(optimizer.taken / per_epoch), optimizer)
    if at_end:
        at_end()
    classifier.load_state_dict(watch.weights or technique.scored(classifier), strict=False)
    return watch.history
