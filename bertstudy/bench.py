"""Ours against `transformers.Trainer`: the same documents, weights and batch, alternating in one process."""

import tempfile
import time
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, PrinterCallback, Trainer, TrainingArguments
from transformers.utils import logging

from .config import profile
from .encoder import load_tokenizer, where
from .model import Classifier
from .training import fit

# What a contest is called, what we change for it, and what Trainer is given beyond its defaults.
EQUAL = {"precision": "fp32", "attention_dropout": 0.1}
CONTESTS = {
    "training": [
        ("default settings", {}, {}),
        ("the same precision and dropouts", EQUAL, {}),
        ("the same, Trainer groups by length", EQUAL, {"train_sampling_strategy": "group_by_length"}),
    ],
    "inference": [("default settings", {}, {}), ("the same precision", {"precision": "fp32"}, {})],
}


def composed_texts(tokenizer, count):
    """Texts of whole words as long as IMDb's reviews: lognormal, mean 292 pieces, an eighth beyond 512 (Table 1)."""
    random = np.random.default_rng(0)
    words = [word for word in tokenizer.get_vocab() if word.isalpha()]
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
    trainer = Trainer(
        model, arguments, train_dataset=data, eval_dataset=data, processing_class=load_tokenizer(run.encoder)
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _seconds(act):
    begin = time.perf_counter()
    act()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def _contest(what, run, texts, options, rounds):
    """Documents a second of ours and of Trainer's, each the median over rounds in which both are timed in turn."""
    ours, labels = Classifier.build(run, ["a", "b"]), [index % 2 for index in range(len(texts))]
    documents = ours.segmenter(texts)
    with tempfile.TemporaryDirectory() as folder:
        theirs = _trainer(run, documents, labels, options, folder)
        ours.to(theirs.args.device)
        acts = {
            "training": (lambda: fit(ours, (documents, labels), progress=False), theirs.train),
            "inference": (lambda: ours.logits(documents), lambda: theirs.predict(theirs.eval_dataset)),
        }
        taken = [[_seconds(act) for act in acts[what]] for _ in range(rounds)]
    return [len(texts) / median(column) for column in zip(*taken, strict=True)]


def compare(what, count=48, rounds=3, encoder="minilm", corpus=""):
    """Measure "training" or "inference" and print documents a second of both and their ratio, a line a contest.

    Gives the ratios by the contest's name.
    """
    base = replace(profile("compact").base, encoder=encoder, epochs=1, min_steps=0)
    texts, ratios = _texts(base, corpus, count), {}
    head = f"{what}: {count} documents, batch {base.batch_size}, {encoder}"
    print(f"{head}, {torch.get_num_threads()} threads, median of {rounds} rounds", flush=True)
    for name, changes, options in CONTESTS[what]:
        run = replace(base, **changes)
        ours, theirs = _contest(what, run, texts, options, rounds)
        ratios[name] = ours / theirs
        rates = f"ours {ours:.2f} docs/s, Trainer {theirs:.2f} docs/s"
        print(f"  {name} ({run.precision}): {rates}, {ratios[name]:.1f}x", flush=True)
    return ratios
