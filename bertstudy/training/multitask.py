"""Multi-task fine-tuning (§4.3, §5.5): several tasks share one encoder, each has a head; their batches take turns."""

import hashlib
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import nn

from ..choices.task_sampling import chances
from ..data.corpora import LIBRARY, Library
from ..data.sampling import Split, draw, without
from ..model.batching import Batch
from ..model.classifier import Classifier
from ..model.locations import weights_hash
from ..model.precision import grad_scaler
from ..model.progress import ticking
from ..paths import runs
from ..runs import Run, fields_of, identity, outside_functions
from ..versions import STAGES, results_of
from ..whole import whole_folder
from .fine_tuning import backward, in_memory
from .optim import Optimizer, parameter_groups

OF_THE_OWN_TASK = set(fields_of("documents")) - {"seed", "method"}


def tasks_of(run: Run, library: Library = LIBRARY) -> dict[str, tuple[tuple[str, ...], Split]]:
    """What a run's multi-task fine-tuning reads: a dict of task to (labels, Split), the run's own task as it draws it.

    The others give `multitask_documents` of their training documents, drawn by the same seeds, less their dev part and
    less every text of the own test set. Raises ValueError for a name that is no corpus, or one that stands twice.
    """
    names = run.multitask.split("+")
    if len(set(names)) < len(names) or len(names) < 2:
        raise ValueError(f"multitask={run.multitask!r}: name two or more corpora, each once, as in 'movies+topics'.")
    own, tasks = library.of(run), {}
    for name in names:
        if name == run.corpus:
            tasks[name] = own.labels, draw(own, run).train
            continue
        task_run = Run(corpus=name, seed=run.seed, sample_seed=run.sample_seed, dev_fraction=run.dev_fraction)
        corpus = library.of(task_run)
        if run.multitask_documents:
            task_run = replace(task_run, fraction=min(1.0, run.multitask_documents / len(corpus.train.texts)))
        tasks[name] = corpus.labels, without(draw(corpus, task_run).train, own.test.texts)
    return tasks


def recipe(run: Run) -> Run:
    """The multi-task phase of a run as a Run: at its own rate and epochs, all else as in the fine-tuning after it."""
    return replace(
        run,
        learning_rate=run.multitask_learning_rate,
        epochs=run.multitask_epochs,
        min_steps=0,
        evaluations=1,
        layer_decay=1.0,
        decay_embeddings=True,
        retention="none",
    )


class Shared(nn.Module):
    """Classifiers that share an encoder; `task`, a number, says whose turn it is."""

    def __init__(self, classifiers: list[Classifier]):
        super().__init__()
        self.classifiers, self.task = nn.ModuleList(classifiers), 0
        self.encoder = classifiers[0].encoder

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.classifiers[self.task](batch)


def train(classifiers: list[Classifier], tasks: list[tuple], run: Run, progress: bool = True) -> list[dict]:
    """Fine-tune classifiers that share an encoder on their tasks together, and give the history.

    tasks: (documents of segments, classes) for each; run: see `recipe`. Before each step the task is drawn by
    `chances`; a task goes through its documents in a random order, again and again. The history has a dict an epoch:
    step, loss by task (mean since the one before, None for a task that was not drawn), seconds.
    """
    accelerator = Accelerator(kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])
    shared = Shared(classifiers).to(accelerator.device).train()
    model = accelerator.prepare(shared)
    sizes = [len(documents) for documents, _ in tasks]
    per_epoch = sum(-(-size // run.batch_size) for size in sizes)
    steps, odds = per_epoch * run.epochs, chances(run.multitask_sampling, sizes)
    scaler = grad_scaler(accelerator.device, run.precision)
    optimizer = Optimizer(parameter_groups(shared, run), run, steps, scaler)
    torch.manual_seed(run.seed + accelerator.process_index)
    turns = np.random.default_rng([run.seed, 2])
    streams = [_batches(size, run.batch_size, [run.seed, 3, task]) for task, size in enumerate(sizes)]
    losses, history, begin, budget = [[] for _ in tasks], [], time.perf_counter(), classifiers[0].budget
    with ticking("several tasks", steps * run.batch_size, "doc", progress) as bar:
        for step in range(1, steps + 1):
            task = shared.task = int(turns.choice(len(tasks), p=odds))
            documents, classes = tasks[task]
            chosen = next(streams[task])
            batch, truth = [documents[index] for index in chosen], [classes[index] for index in chosen]
            forward = classifiers[task] if accelerator.num_processes == 1 else model
            add_gradient = partial(backward, accelerator, forward, batch, truth, None, scale=scaler.scale)
            numbers, budget = in_memory(accelerator, shared, add_gradient, budget)
            losses[task].append(numbers[0])
            bar.update(run.batch_size)
            optimizer.clip(shared.parameters(), run.max_grad_norm)
            optimizer.step()
            if step % per_epoch == 0:
                means = [_mean(task_losses) if task_losses else None for task_losses in losses]
                history.append({"step": step, "loss": means, "seconds": time.perf_counter() - begin})
                losses = [[] for _ in tasks]
    return history


def _mean(losses):
    return torch.stack(losses).cpu().double().mean().item()


def _batches(size, batch_size, seed):
    """Batches of indices below `size`, in a new order each time all have been used; endless."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(size).tolist()
        yield from (order[start : start + batch_size] for start in range(0, size, batch_size))


def settings_of(run: Run) -> dict:
    """What decides the multi-task phase of a run beside the texts and the first weights: a dict of fields."""
    return {name: value for name, value in identity(recipe(run)).items() if name not in OF_THE_OWN_TASK}


def _numbers():
    """Of the stages that decide a multi-task encoder."""
    return [results_of(STAGES[stage]) for stage in ("documents", "segments", "encoder", "fine_tuning", "multitask")]


def _fingerprint(run, tasks, weights):
    """Sixteen hex digits of the settings, the first weights and the texts."""
    settings = [settings_of(run), outside_functions(run), weights]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, (labels, split) in tasks.items():
        digest.update(json.dumps([name, labels, split.texts, split.classes.tolist()]).encode())
    return digest.hexdigest()[:16]


def fine_tuned_together(
    run: Run, library: Library = LIBRARY, pretrained: Path | None = None, progress: bool = True
) -> Path | None:
    """The folder of the encoder and heads that a run's `multitask` makes; None where it names no tasks.

    `pretrained`: the folder of the encoder it starts from, where that was further pretrained. It is made once, in
    runs/multitask, and shared by all runs that ask for the same.
    """
    if run.multitask == "none":
        return None
    tasks = tasks_of(run, library)
    weights = pretrained.name if pretrained else weights_hash(run.encoder)
    folder = runs() / "multitask" / f"{_fingerprint(run, tasks, weights)}-{'.'.join(_numbers())}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            _make(folder, recipe(run), tasks, pretrained, progress)
    return folder


def _make(folder, run, tasks, pretrained, progress):
    """Train all tasks together and write the folder whole or not at all."""
    (first_labels, *other_labels), numbers = [labels for labels, _ in tasks.values()], []
    classifiers = [Classifier.build(run, first_labels, pretrained)]
    encoder, tokenizer = classifiers[0].encoder, classifiers[0].tokenizer
    classifiers += [Classifier(encoder, tokenizer, run, labels) for labels in other_labels]
    for _, split in tasks.values():
        numbers.append((classifiers[0].segmenter(split.texts), split.classes.tolist()))
    history = train(classifiers, numbers, run, progress)
    heads = {
        f"{number}.{name}": weight.contiguous().cpu()
        for number, classifier in enumerate(classifiers)
        for name, weight in classifier.state_dict().items()
        if not name.startswith("encoder.")
    }
    record = {"tasks": {name: len(split.texts) for name, (_, split) in tasks.items()}, "history": history}
    with whole_folder(folder) as new:
        encoder.model.save_pretrained(new)
        save_file(heads, new / "heads.safetensors")
        (new / "multitask.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def take_head(classifier: Classifier, folder: Path) -> None:
    """Go on with the head that the classifier's task has had in the folder; one that was not among them stays new."""
    names = list(json.loads((folder / "multitask.json").read_text(encoding="utf-8"))["tasks"])
    if classifier.run.corpus in names:
        prefix = f"{names.index(classifier.run.corpus)}."
        heads = load_file(folder / "heads.safetensors")
        own = {name.removeprefix(prefix): weight for name, weight in heads.items() if name.startswith(prefix)}
        classifier.load_state_dict(own, strict=False)
