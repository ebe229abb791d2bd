"""Fine-tuning: a loop on Accelerate. One process or several (`accelerate launch`), the same steps either way."""

import ctypes
import math
import sys
import time
from contextlib import nullcontext, suppress

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from tqdm.auto import tqdm

from .batching import pack, size, within
from .optim import Optimizer, parameter_groups

TRIM_EVERY = 20  # steps


def _trim():
    """Give freed memory back to the system: batches of ever different sizes leave glibc's heap in pieces."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def epochs_of(run, documents):
    """How many epochs a run makes over n documents: run.epochs, or more where run.min_steps asks for it."""
    return max(run.epochs, math.ceil(run.min_steps / math.ceil(documents / run.batch_size)))


def evaluate(classifier, documents, labels):
    """Error in percent, mean cross-entropy, and the predicted classes (n) of documents of segments."""
    state = PartialState()
    mine = list(range(state.process_index, len(documents), state.num_processes))
    logits = torch.empty(len(documents), len(classifier.labels))
    for indices, part in gather_object([(mine, classifier.logits([documents[index] for index in mine]))]):
        logits[indices] = part
    labels, predicted = torch.as_tensor(labels), logits.argmax(-1)
    error = 100 * (predicted != labels).double().mean().item()
    return error, cross_entropy(logits, labels).item(), predicted.numpy()


def backward(accelerator, model, documents, labels, budget):
    """Add a batch's gradient to the parameters and give its loss: the mean over its documents.

    The mean holds however the batch is cut: over micro-batches of at most `budget` word pieces, and over
    processes, whose gradients Accelerate averages. A process left without a document computes one at no weight.
    """
    rank, world = accelerator.process_index, accelerator.num_processes
    share = list(range(rank, len(documents), world)) or [0]
    weight = world / len(documents) if rank < len(documents) else 0.0
    groups, total = list(within(documents, share, budget)), 0.0
    for number, group in enumerate(groups, 1):
        batch = pack([documents[one] for one in group], [labels[one] for one in group]).to(accelerator.device)
        with nullcontext() if number == len(groups) else accelerator.no_sync(model):
            loss = weight * cross_entropy(model(batch), batch.labels, reduction="sum")
            accelerator.backward(loss)
        total += loss.detach()
    return accelerator.reduce(total, "mean").item()


def fit(classifier, train, dev=None, budget=None, progress=True):
    """Fine-tune a Classifier by its run and keep its best epoch (§5.2).

    train, dev: (documents of segments, classes as ints). The best epoch has the lowest dev error, among equals the
    lowest dev loss; without dev it is the last. `budget` (None: the device's) bounds memory, not the result: see
    `backward`.

    Gives the history, one dict an epoch: epoch, step, loss, learning_rate (the last base rate), dev_error (percent),
    dev_loss, seconds and pieces (word pieces trained on) since the start.
    """
    (documents, labels), run, accelerator = train, classifier.run, Accelerator()
    classifier.to(accelerator.device)
    steps = epochs_of(run, len(documents)) * math.ceil(len(documents) / run.batch_size)
    optimizer = Optimizer(parameter_groups(classifier, run), run, steps)
    model = accelerator.prepare(classifier)
    shuffler = np.random.default_rng(run.seed)
    torch.manual_seed(run.seed + accelerator.process_index)  # dropout differs between processes
    history, best, weights, pieces, begin = [], (math.inf, math.inf), None, 0, time.perf_counter()
    show = progress and accelerator.is_main_process
    with tqdm(total=epochs_of(run, len(documents)) * len(documents), unit="doc", disable=not show, leave=False) as bar:
        while optimizer.taken < steps:
            order, losses = shuffler.permutation(len(documents)).tolist(), []
            model.train()
            for start in range(0, len(order), run.batch_size):
                batch = order[start : start + run.batch_size]
                chosen = [documents[one] for one in batch]
                loss = backward(accelerator, model, chosen, [labels[one] for one in batch], budget or classifier.budget)
                clip_grad_norm_(classifier.parameters(), run.max_grad_norm)
                optimizer.step()
                if optimizer.taken % TRIM_EVERY == 0:
                    _trim()
                losses += [loss] * len(batch)
                pieces += sum(map(size, chosen))
                bar.set_postfix(loss=f"{np.mean(losses):.3f}", refresh=False)
                bar.update(len(batch))
            error, loss, _ = evaluate(classifier, *dev) if dev else (None, None, None)
            if dev and (error, loss) < best:
                best = (error, loss)
                weights = {name: value.cpu().clone() for name, value in classifier.state_dict().items()}
            history.append(
                {
                    "epoch": len(history) + 1,
                    "step": optimizer.taken,
                    "loss": float(np.mean(losses)),
                    "learning_rate": optimizer.learning_rate,
                    "dev_error": error,
                    "dev_loss": loss,
                    "seconds": time.perf_counter() - begin,
                    "pieces": pieces,
                }
            )
    if weights:
        classifier.load_state_dict(weights)
    return history
