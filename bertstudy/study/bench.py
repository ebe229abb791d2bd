"""Ours against `transformers.Trainer`: the same texts, weights and batch, alternating in one process."""

import tempfile
import time
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    DataCollatorForLanguageModeling,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging

from ..data.corpora import load_corpus
from ..model.classifier import Classifier
from ..model.encoder import load_pretraining_model
from ..model.loading import load_tokenizer
from ..model.locations import where
from ..model.precision import arithmetic, half_precision
from ..profiles import profile
from ..training.fine_tuning import fit
from ..training.pretraining import Pretraining, PretrainingModel, examples, pretrain, sentence_ids, split_held_out

# What a contest is called, what we change for it, and what Trainer is given beyond its defaults.
EQUAL = {"precision": "fp32", "attention_dropout": 0.1}
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# What an expert gives Trainer, with no attention dropout
BEST = {"bf16": half_precision(DEVICE) == torch.bfloat16, "train_sampling_strategy": "group_by_length"}
CONTESTS = {
    "training": [
        ("Trainer at its best", {}, BEST),
        ("default settings", {}, {}),
        ("the same precision and dropouts", EQUAL, {}),
        ("the same, Trainer groups by length", EQUAL, {"train_sampling_strategy": "group_by_length"}),
    ],
    "inference": [("default settings", {}, {}), ("the same precision", {"precision": "fp32"}, {})],
    "pretraining": [("default settings", {}, {}), ("the same precision", {"precision": "fp32"}, {})],
}
SENTENCE = 20  # pieces, of the composed texts
UNITS = {"training": "docs", "inference": "docs", "pretraining": "pieces"}


def composed_texts(tokenizer: Any, count: int) -> list[str]:
    """Texts of whole words as long as IMDb's reviews: lognormal, mean 292 pieces, an eighth beyond 512 (Table 1)."""
    random = np.random.default_rng(0)
    words = sorted(word for word in tokenizer.get_vocab() if word.isalpha())
    texts = [
        random.choice(words, length) for length in np.clip(random.lognormal(5.45, 0.66, count), 10, 3000).astype(int)
    ]
    for text in texts:
        text[SENTENCE - 1 :: SENTENCE] = "."
    return [" ".join(text) for text in texts]


def _texts(run, corpus, count):
    if not corpus:
        return composed_texts(load_tokenizer(run.encoder), count)
    texts = load_corpus(corpus).train.texts
    return [texts[index] for index in np.random.default_rng(0).choice(len(texts), count, replace=False)]


def _trainer(run, model, data, folder, arguments, **options):
    """Trainer with the run's batch and rate; its default collator pads to the longest of each batch."""
    settings = TrainingArguments(
        folder,
        num_train_epochs=1,
        per_device_train_batch_size=run.batch_size,
        per_device_eval_batch_size=run.batch_size,
        learning_rate=run.learning_rate,
        report_to=[],
        use_cpu=DEVICE.type == "cpu",  # else it refuses bf16 there
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        **arguments,
    )
    tokenizer = load_tokenizer(run.encoder)
    trainer = Trainer(model, settings, train_dataset=data, eval_dataset=data, processing_class=tokenizer, **options)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _seconds(act):
    begin = time.perf_counter()
    act()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def _fine_tuning(what, run, texts, arguments, folder):
    """The two acts of "training" or "inference" and the documents of one; Trainer's are cut as ours are."""
    ours, labels = Classifier.build(run, ["a", "b"]), [index % 2 for index in range(len(texts))]
    documents = ours.segmenter(texts)
    data = [{"input_ids": ids[0], "labels": label} for ids, label in zip(documents, labels, strict=True)]
    dropout = {"attention_probs_dropout_prob": 0.0} if arguments is BEST else {}
    model = AutoModelForSequenceClassification.from_pretrained(where(run.encoder), num_labels=2, **dropout)
    theirs = _trainer(run, model, Dataset.from_list(data), folder, arguments)
    ours.to(theirs.args.device)
    if what == "training":
        return lambda: fit(ours, (documents, labels), progress=False), theirs.train, len(texts)
    return lambda: ours.logits(documents), lambda: theirs.predict(theirs.eval_dataset), len(texts)


def _pretraining(run, texts, folder):
    """The two acts of masked-LM pretraining and their pieces, on segments of 128. Ours cuts its texts while timed."""
    run = replace(run, batch_size=run.pretraining_batch_size)
    settings = Pretraining(run.encoder, next_sentence=False, precision=run.precision)
    tokenizer = load_tokenizer(run.encoder)
    train, _ = split_held_out(sentence_ids(texts, tokenizer))
    segments = [ids for ids, _, _ in examples(train, settings, 0, tokenizer)]
    segments = segments[: len(segments) // run.batch_size * run.batch_size]  # ours has whole batches only
    settings = replace(settings, steps=len(segments) // run.batch_size)
    ours = PretrainingModel(*load_pretraining_model(run.encoder), precision=run.precision)
    theirs = AutoModelForMaskedLM.from_pretrained(where(run.encoder))
    collate = DataCollatorForLanguageModeling(tokenizer)
    data = Dataset.from_list([{"input_ids": ids} for ids in segments])
    trainer = _trainer(run, theirs, data, folder, {}, data_collator=collate)
    return lambda: pretrain(ours, texts, settings, looks=1, progress=False), trainer.train, sum(map(len, segments))


def _contest(what, run, texts, arguments, rounds):
    """Documents or pieces a second of ours and of Trainer's, (2, rounds), both timed in turn in each round."""
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        if what == "pretraining":
            *acts, amount = _pretraining(run, texts, folder)
        else:
            *acts, amount = _fine_tuning(what, run, texts, arguments, folder)
        for act in acts:
            act()  # a first time takes longer
        taken = [[_seconds(act) for act in acts] for _ in range(rounds)]
    return amount / np.array(taken).T


def deep_encoder(folder: str, depth: int = 12, window: int = 512) -> str:
    """The folder of an encoder as wide as control-large, with so many layers and new weights."""
    config = AutoConfig.from_pretrained(where("control-large"), num_hidden_layers=depth, max_position_embeddings=window)
    AutoModel.from_config(config).save_pretrained(folder)
    load_tokenizer("control-large").save_pretrained(folder)
    return str(folder)


def layers(count: int = 48, rounds: int = 3) -> float:
    """Time one fine-tuning a layer against as many of full depth, in turn; prints and gives the ratio (§5.3.2).

    The encoder is control-large with twelve layers, the documents are the first of the movies.
    """
    texts, labels = load_corpus("movies").train.texts[:count], [index % 2 for index in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        base = replace(profile("control").base, encoder=deep_encoder(folder), epochs=1, min_steps=0)
        depth, cut, full = 12, [], []

        def seconds(layer):
            classifier = Classifier.build(replace(base, layers=str(layer)), ["a", "b"])
            documents = classifier.segmenter(texts)
            return _seconds(lambda: fit(classifier, (documents, labels), progress=False))

        for _ in range(rounds):
            cut.append(sum(seconds(layer) for layer in range(depth)))
            full.append(sum(seconds(depth - 1) for _ in range(depth)))
    ratio = median(cut) / median(full)
    print(f"layers: {count} documents, {depth} layers of control-large, median of {rounds} rounds: a run a layer")
    print(f"  {median(cut):.1f} s, {depth} runs of full depth {median(full):.1f} s, {ratio:.2f} of it", flush=True)
    return ratio


def compare(
    what: str,
    count: int = 48,
    rounds: int = 3,
    encoder: str = "minilm",
    corpus: str = "",
    window: int = 512,
    contests: list[str] | None = None,
) -> dict[str, float]:
    """Measure "training", "inference" or "pretraining" and print the rates of both and their ratio, a line a contest.

    contests: the names of those in CONTESTS to hold; None: all. Gives the median ratios by the contest's name.
    """
    reads = {"window": window, "truncation": "head", "piece_pooling": "cls"}  # as Trainer's model does
    base = replace(profile("compact").base, encoder=encoder, epochs=1, min_steps=0, **reads)
    texts, ratios = _texts(base, corpus, count), {}
    head = f"{what}: {count} documents, batch {base.batch_size}, window {window}, {encoder}"
    print(f"{head}, {torch.get_num_threads()} threads, {rounds} rounds after a first", flush=True)
    for name, changes, options in CONTESTS[what]:
        if contests and name not in contests:
            continue
        run = replace(base, **changes)
        ours, theirs = _contest(what, run, texts, options, rounds)
        ratios[name] = float(np.median(ours / theirs))
        unit, least, most = UNITS[what], (ours / theirs).min(), (ours / theirs).max()
        rates = f"ours {np.median(ours):.2f} {unit}/s, Trainer {np.median(theirs):.2f} {unit}/s"
        dtype = str(arithmetic(DEVICE, run.precision)).removeprefix("torch.")
        print(f"  {name} ({dtype}): {rates}, {ratios[name]:.2f}x ({least:.2f} to {most:.2f})", flush=True)
    return ratios
