"""Further pretraining (§4.2, §5.4): masked words and next sentences, on texts of the task, of its domain, or of all.

A step is a function of the weights, the optimizer's state and the step's number: pairs, masks and dropout are drawn
from the seed and the number of the step or epoch. So a pretraining that is killed goes on from its last saved state
and ends with the weights it would have had.
"""

import hashlib
import json
import logging
import random
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from filelock import FileLock
from torch import nn
from torch.nn.functional import cross_entropy

from ..data.corpora import LIBRARY, Library
from ..data.sources import source_texts
from ..model.encoder import Encoder, load_pretraining_model
from ..model.loading import load_tokenizer
from ..model.locations import weights_hash
from ..model.precision import autocast, grad_scaler
from ..model.progress import ticking
from ..paths import runs
from ..runs import Run
from ..versions import STAGES, results_of
from ..whole import whole_file, whole_folder
from .examples import Masked, Stream, examples, masked_batch, sentence_ids, to_device
from .optim import Optimizer, has_weight_decay

LOG = logging.getLogger(__name__)
NO_HEAD = (
    "encoder=%r has no masked-LM head: it was not trained on masked words last, and further pretraining starts from a "
    "new head, trained alone for %d steps first. What it is worth here says little of encoders that have one."
)
HELD_OUT = 0.05  # of the documents, to measure loss on
SAVE_EVERY = 50  # steps
WEIGHT_DECAY = 0.01
MOST_UNSAMPLED = 1000  # texts
HEAD_RATE = 1e-3  # of a head that is trained alone, from new weights


@dataclass(frozen=True)
class Pretraining:
    """One further pretraining, complete: with the texts it decides the weights. Defaults are the paper's (§5.2)."""

    encoder: str
    steps: int = 100_000
    learning_rate: float = 5e-5
    schedule: str = "linear"
    warmup: float = 0.1
    batch_size: int = 32  # segments
    window: int = 128
    next_sentence: bool = True  # off where texts are shorter than two sentences
    whole_word: bool = False  # mask all pieces of a word together
    head_steps: int = 0  # first so many steps with the encoder frozen, where the weights lack a masked-LM head
    seed: int = 0
    precision: str = "fp32"
    bias_correction: bool = True


class PretrainingModel(nn.Module):
    """An encoder with its masked-LM and next-sentence heads; forward(Masked) gives the two losses and what was right.

    Only the masked pieces, and [CLS], go through the last layer and the masked-LM head: the head is a sixth of the
    work where all do.
    """

    def __init__(self, model: nn.Module, new_head: bool = False, precision: str = "fp32"):
        super().__init__()
        self.model, self.new_head, self.precision = model, new_head, precision
        self.encoder = Encoder(model.base_model)
        adapter = self.encoder.adapter
        self.words = adapter.words(model)
        self.next = adapter.next_sentence(model) if adapter.next_sentence else None

    def forward(self, masked: Masked) -> tuple:
        device = masked.batch.ids.device
        with autocast(device, self.precision):
            read = masked.chosen if masked.follows is None else torch.cat([masked.chosen, masked.batch.starts])
            states = self.encoder.row(masked.batch, read).last_hidden_state[0]
            logits = self.words(states[: len(masked.chosen)]).float()
            loss = cross_entropy(logits, masked.pieces)
            if masked.follows is None:
                return loss, None, None
            # BERT's own coding of the answer: 0 where B follows A
            pooled = self.model.base_model.pooler(states[len(masked.chosen) :, None])
            answers = self.next(pooled).float()
        right = (answers.argmax(-1) == 1 - masked.follows).float().mean()
        return loss, cross_entropy(answers, 1 - masked.follows), right

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters above the encoder, less what is tied to it."""
        below = {id(weight) for weight in self.model.base_model.parameters()}
        return [weight for weight in self.model.parameters() if id(weight) not in below]


@torch.no_grad()
def held_out_loss(
    model: PretrainingModel,
    documents: list,
    settings: Pretraining,
    tokenizer: Any,
    most: int = 256,
    size: int = 16,
    progress: bool = False,
) -> tuple[float, float | None]:
    """Masked-LM loss and next-sentence accuracy in percent (None without) on documents, always with the same masks."""
    chosen = examples(documents, replace(settings, seed=settings.seed + 1), 0, tokenizer)[:most]
    if not chosen:
        raise ValueError("further pretraining: the texts held out make no segment. More or longer texts are needed.")
    device, outputs = next(model.parameters()).device, []
    model.eval()
    with ticking("masked words", len(chosen), "segment", progress) as bar:
        for start in range(0, len(chosen), size):
            random_state, part = np.random.default_rng([settings.seed + 1, start]), chosen[start : start + size]
            outputs.append(model(to_device(masked_batch(part, random_state, tokenizer), device)))
            bar.update(len(part))
    model.train()
    rights = [right.item() for _, _, right in outputs if right is not None]
    return float(np.mean([loss.item() for loss, _, _ in outputs])), 100 * float(np.mean(rights)) if rights else None


def _groups(weights, settings):
    """AdamW groups: biases and LayerNorm without weight decay."""
    groups = [{"lr": settings.learning_rate, "weight_decay": decay, "params": []} for decay in (WEIGHT_DECAY, 0.0)]
    for weight in weights:
        groups[not has_weight_decay(weight)]["params"].append(weight)
    return groups


def _phases(model, settings, head_steps, scaler):
    """The optimizers of the two phases: the head alone, at HEAD_RATE; then everything."""
    above = {id(weight) for weight in model.head_parameters()}
    every = list(model.model.parameters())
    head = replace(settings, learning_rate=HEAD_RATE)
    return [
        Optimizer(_groups([weight for weight in every if id(weight) in above], head), head, max(1, head_steps), scaler),
        Optimizer(_groups(every, settings), settings, settings.steps, scaler),
    ]


def split_held_out(documents: list) -> tuple[list, list]:
    """(documents to train on, documents to measure on): a twentieth is held out, of few more, up to a half."""
    every = min(round(1 / HELD_OUT), max(2, len(documents) // 4))
    return [document for index, document in enumerate(documents) if index % every], documents[::every]


def enough(texts: list[str], settings: Pretraining) -> list[str]:
    """The texts, or of very many a sample that is twice as large as there are segments to be read in all the steps."""
    wanted = max(MOST_UNSAMPLED, 2 * (settings.head_steps + settings.steps) * settings.batch_size)
    return random.Random(settings.seed).sample(texts, wanted) if wanted < len(texts) else texts


class Progress:
    """All that a pretraining has come to: weights, optimizers and history, saved whole or not at all."""

    def __init__(self, model: PretrainingModel, settings: Pretraining, head_steps: int, file: Path | None):
        self.scaler = grad_scaler(next(model.parameters()).device, settings.precision)
        self.model, self.phases, self.file = model, _phases(model, settings, head_steps, self.scaler), file
        self.data = {"step": 0, "history": [], "losses": [], "seconds": 0.0, "pieces": 0}
        if file and Path(file).is_file():
            saved = torch.load(file, map_location="cpu", weights_only=True)
            model.load_state_dict(saved["model"])
            for optimizer, (taken, state) in zip(self.phases, saved["phases"], strict=True):
                optimizer.taken = taken
                optimizer.adamw.load_state_dict(state)
            self.scaler.load_state_dict(saved["scaler"])
            self.data = saved["data"]

    def save(self) -> None:
        phases = [(optimizer.taken, optimizer.adamw.state_dict()) for optimizer in self.phases]
        state = {"model": self.model.state_dict(), "phases": phases, "scaler": self.scaler.state_dict()}
        with whole_file(self.file) as part:
            torch.save(state | {"data": self.data}, part)


def pretrain(
    model: PretrainingModel,
    texts: list[str],
    settings: Pretraining,
    state_file: Path | None = None,
    looks: int = 4,
    progress: bool = True,
) -> list[dict]:
    """Further pretrain a PretrainingModel on texts and give the history.

    One in twenty texts is held out. The history has a dict before the first step and after each of `looks` equal
    parts: step, loss (masked-LM, held out), next_sentence (accuracy in percent, None without it), train_loss (mean
    since the one before), seconds and pieces since the start. With a `state_file` the state is saved every SAVE_EVERY
    steps, and a later call with the same arguments goes on from it. Raises ValueError where the texts are too few for
    one batch, and for next-sentence prediction with an encoder whose kind has no head for it, such as RoBERTa.
    """
    if settings.next_sentence and model.next is None:
        kind = model.encoder.config.model_type
        raise ValueError(
            f"next_sentence=True: encoder={settings.encoder!r} is of type {kind!r}, which knows no next-sentence "
            f"prediction. Use next_sentence=False."
        )
    tokenizer, accelerator = load_tokenizer(settings.encoder), Accelerator()
    if settings.whole_word and not any(piece.startswith("##") for piece in tokenizer.get_vocab()):
        raise ValueError(
            f"whole_word=True: the pieces of encoder={settings.encoder!r} don't say where a word goes on, as BERT's do "
            f"by ##. Use whole_word=False."
        )
    train, held_out = split_held_out(sentence_ids(enough(texts, settings), tokenizer))
    model.to(accelerator.device).train()
    head_steps = settings.head_steps if model.new_head else 0
    state = Progress(model, settings, head_steps, state_file)
    data, stream, total = state.data, Stream(train, settings, tokenizer), head_steps + settings.steps
    begin, waiting = time.perf_counter() - data["seconds"], []  # losses that are still on the device

    def take(step):
        masked = to_device(stream.batch(step), accelerator.device)
        torch.manual_seed(settings.seed * 1_000_003 + step)  # dropout
        loss, next_loss, _ = model(masked)
        optimizer = state.phases[step >= head_steps]
        optimizer.scaler.scale(loss if next_loss is None else loss + next_loss).backward()
        optimizer.clip(model.parameters(), 1.0)
        optimizer.step()
        model.zero_grad()
        waiting.append(loss.detach())
        data["pieces"] += masked.batch.pieces

    def fetch():
        data["losses"] += torch.stack(waiting).tolist() if waiting else []
        waiting.clear()

    def look():
        fetch()
        loss, right = held_out_loss(model, held_out, settings, tokenizer, progress=progress)
        mean = float(np.mean(data["losses"])) if data["losses"] else None
        spent = {"seconds": data["seconds"], "pieces": data["pieces"]}
        data["history"].append(
            {
                "step": data["step"] - head_steps,
                "loss": loss,
                "next_sentence": right,
                "train_loss": mean,
                **spent,
            }
        )
        data["losses"] = []

    wanted = {head_steps + settings.steps * part // looks for part in range(looks + 1)}
    with ticking("pretraining", total, "step", progress, data["step"]) as bar:
        while True:
            if data["step"] in wanted and len(data["history"]) < sum(step <= data["step"] for step in wanted):
                look()
            if data["step"] == total:
                return data["history"]
            take(data["step"])
            data["step"] += 1
            data["seconds"] = time.perf_counter() - begin
            bar.update()
            if data["step"] % SAVE_EVERY == 0:
                fetch()
                bar.set_postfix(loss=f"{np.mean(data['losses'][-SAVE_EVERY:]):.3f}", refresh=False)
                if state_file:
                    state.save()


def fingerprint(settings: Pretraining, texts: list[str]) -> str:
    """Sixteen hex digits of a pretraining: its settings, its texts, and the weights it starts from."""
    digest = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    digest.update(weights_hash(settings.encoder).encode())
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(f"{len(data)} ".encode())
        digest.update(data)
    return digest.hexdigest()[:16]


def checkpoint(settings: Pretraining, texts: list[str], progress: bool = True) -> Path:
    """The folder of a further pretrained encoder: found in runs/pretrained, or made there, or gone on with.

    Any run that asks for the same settings on the same texts shares it; its history is in history.json.
    """
    number = results_of(STAGES["pretraining"])
    folder = runs() / "pretrained" / f"{fingerprint(settings, texts)}-{number}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "history.json").is_file():
            state = Path(f"{folder}.state")
            model = PretrainingModel(*load_pretraining_model(settings.encoder, settings.seed), settings.precision)
            if model.new_head:
                LOG.warning(NO_HEAD, settings.encoder, settings.head_steps)
            history = pretrain(model, texts, settings, state, progress=progress)
            save(model, folder, load_tokenizer(settings.encoder), history)
            state.unlink(missing_ok=True)
    return folder


def save(model: PretrainingModel, folder: Path, tokenizer: Any, history: list[dict]) -> None:
    """Write encoder, heads, tokenizer and history as a folder that transformers reads, whole or not at all."""
    with whole_folder(folder) as new:
        model.model.save_pretrained(new)
        tokenizer.save_pretrained(new)
        (new / "history.json").write_text(json.dumps(history, indent=1), encoding="utf-8")


def settings_of(run: Run) -> Pretraining:
    """The Pretraining that a run asks for."""
    return Pretraining(
        encoder=run.encoder,
        steps=run.pretraining_steps,
        learning_rate=run.pretraining_learning_rate,
        batch_size=run.pretraining_batch_size,
        window=run.pretraining_window,
        next_sentence=run.next_sentence,
        whole_word=run.whole_word,
        head_steps=run.pretraining_head_steps,
        seed=run.pretraining_seed,
        precision=run.precision,
    )


def further_pretrained(run: Run, library: Library = LIBRARY, progress: bool = True) -> Path | None:
    """The folder of the encoder that a run's further_pretraining makes; None where it asks for none.

    Its texts are the training texts, and with pretraining_unlabelled the unlabelled ones, of the corpora named, less
    every text that stands in a test set of theirs or of the run's own corpus.
    """
    if run.further_pretraining == "none":
        return None
    return checkpoint(settings_of(run), source_texts(run, library), progress)
