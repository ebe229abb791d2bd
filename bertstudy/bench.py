"""Ours against `transformers.Trainer`: the same documents, weights and batch, alternating in one process."""

import tempfile
import time
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments
from transformers.utils import logging

from .config import profile
from .encoder import load_tokenizer, where
from .model import Classifier
from .training import fit

# Three contests in training: (what it is called, what we change, what Trainer is given beyond its defaults).
TRAINING = [
    ("default settings", {}, {}),
    ("fp32, dropout 0.1 everywhere", {"precision": "fp32", "attention_dropout": 0.1}, {}),
    (
        "fp32, dropout 0.1, Trainer groups by length",
        {"precision": "fp32", "attention_dropout": 0.1},
        {"train_sampling_strategy": "group_by_length"},
    ),
]
INFERENCE = [("default settings", {}, {}), ("fp32", {"precision": "fp32"}, {})]


def composed_texts(tokenizer, count):
    """Texts of whole words as long as IMDb's reviews: lognormal, mean 292 word pieces, an eighth beyond 512 (Table 1)."""
    random = np.random.default_rng(0)
    words = [word for word in tokenizer.get_vocab() if word.isalpha() and len(word) > 2]
    lengths = np.clip(random.lognormal(5.45, 0.66, count), 10, 3000).astype(int)
    return [" ".join(random.choice(sorted(words), length)) for length in lengths]


def _texts(run, corpus, count):
    if not corpus:
        return composed_texts(load_tokenizer(run.encoder), count)
    from .corpora import load_corpus

    texts = load_corpus(corpus).train.texts
    return [texts[index] for index in np.random.default_rng(0).choice(len(texts), count, replace=False)]


def _trainer(run, documents, labels, options, folder):
    """Trainer on documents cut as ours are, padded by its default collator to the longest of each batch."""
    logging.set_verbosity_error()
    model = AutoModelForSequenceClassification.from_pretrained(where(run.encoder), num_labels=2)
    arguments = TrainingArguments(
        folder,
        num_train_epochs=1,
        per_device_train_batch_size=run.batch_size,
        per_device_eval_batch_size=run.batch_size,
        learning_rate=run.learning_rate,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        **options,
    )
    data = Dataset.from_list(
        [{"input_ids": ids[0], "labels": label} for ids, label in zip(documents, labels, strict=True)]
    )
    return Trainer(
        model, arguments, train_dataset=data, eval_dataset=data, processing_class=load_tokenizer(run.encoder)
    )


def _seconds(act):
    begin = time.perf_counter()
    act()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def compare(what, count=48, rounds=3, encoder="minilm", corpus=""):
    """Measure "training" or "inference" and print documents a second of both and their ratio, a line a contest.

    Each round times both, one after the other; a figure is the median over rounds. Gives the ratios.
    """
    base = replace(profile("compact").base, encoder=encoder, epochs=1, min_steps=0)
    labels = [index % 2 for index in range(count)]
    ratios = {}
    print(
        f"{what}: {count} documents, batch {base.batch_size}, {encoder}, {torch.get_num_threads()} threads, {rounds} rounds",
        flush=True,
    )
    for name, changes, options in TRAINING if what == "training" else INFERENCE:
        run = replace(base, **changes)
        ours = Classifier.build(run, ["a", "b"])
        documents = ours.segmenter(_texts(run, corpus, count))
        with tempfile.TemporaryDirectory() as folder:
            theirs = _trainer(run, documents, labels, options, folder)
            if what == "training":
                act = (lambda: fit(ours, (documents, labels), progress=False)), theirs.train
            else:
                ours.to(theirs.args.device)
                act = (lambda: ours.logits(documents)), (lambda: theirs.predict(theirs.eval_dataset))
            taken = [[_seconds(one) for one in act] for _ in range(rounds)]
        mine, other = (count / median(column) for column in zip(*taken, strict=True))
        ratios[name] = mine / other
        print(
            f"  {name} ({run.precision}): ours {mine:.2f} docs/s, Trainer {other:.2f} docs/s, {ratios[name]:.1f}x",
            flush=True,
        )
    return ratios
