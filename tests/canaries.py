"""Small runs whose every value is written down in canaries.json: what tells that a change alters results (C3).

A canary is a run of seconds with the embedded encoder in fp32 and without dropout (whose random numbers differ between
processors), so its values hold on any CPU. `trace` carries it out and gives the values of each stage that it passes, in
the order in which they come about: the first stage that differs is the one that was changed.

    python tests/canaries.py write    after a stage's number was raised: write the values anew
"""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bertstudy import Classifier, Run, train
from bertstudy.choices.methods import METHODS
from bertstudy.data.corpora import Library
from bertstudy.data.sampling import draw
from bertstudy.data.sources import source_texts
from bertstudy.model.batching import pack
from bertstudy.runs import by_method
from bertstudy.versions import STAGES

FILE = Path(__file__).with_name("canaries.json")
TOLERANCE = 1e-4  # of a value, relatively
MARGIN = 0.02  # between the two highest probabilities of a test document whose prediction is written down

BASE = Run(
    corpus="movies",
    encoder="control",
    fraction=0.004,
    dev_fraction=0.2,
    test_size=48,
    window=32,
    truncation="head",
    learning_rate=1e-3,
    epochs=2,
    batch_size=8,
    dropout=0.0,
    head_dropout=0.0,
)
PRETRAINED = dict(
    further_pretraining="within_task",
    pretraining_steps=3,
    pretraining_learning_rate=1e-3,
    pretraining_batch_size=4,
    pretraining_window=48,
)
TOGETHER = dict(multitask="movies+topics", multitask_documents=40, multitask_epochs=1, multitask_learning_rate=1e-3)
LONG = dict(corpus="long_reviews", truncation="chunks")
CANARIES = {
    "head": BASE,
    "tail": replace(BASE, truncation="tail", layers="mean:0-1", schedule="warmup_linear", bias_correction=False),
    "head+tail": replace(
        BASE, truncation="head+tail", layers="concat:0-3", schedule="linear", layer_decay=0.5, decay_embeddings=False
    ),
    "chunks, mean": replace(
        BASE, **LONG, segment_pooling="mean", layers="max:1-3", schedule="constant", evaluations=2, layer_decay=0.8
    ),
    "chunks, max": replace(BASE, **LONG, segment_pooling="max", dev_fraction=0.0, min_steps=12),
    "chunks, attention": replace(BASE, **LONG, segment_pooling="attention", max_grad_norm=0.1, weight_decay=0.1),
    "classes": replace(BASE, corpus="topics", seed=1, fraction=0.006),
    "features": replace(BASE, method="features", dropout=Run().dropout),
    "balanced": replace(
        BASE, corpus="topics", piece_pooling="max", class_weights="balanced", metric="macro_f1", fraction=0.006
    ),
    "embeddings": by_method(replace(BASE, piece_pooling="mean"), "embeddings"),
    "words": Run(corpus="topics", encoder="none", method="words", fraction=0.01, dev_fraction=0.2, test_size=48),
    "tfidf": Run(corpus="movies", encoder="none", method="tfidf", fraction=0.01, dev_fraction=0.2, test_size=48),
    "next sentences": replace(BASE, **PRETRAINED),
    "whole words": replace(
        BASE,
        **{**PRETRAINED, "further_pretraining": "movies+topics"},
        next_sentence=False,
        whole_word=True,
        pretraining_unlabelled=True,
    ),
    "proportional": replace(BASE, **TOGETHER),
    "square root": replace(BASE, **TOGETHER, **PRETRAINED, multitask_sampling="square_root"),
    "retention": replace(BASE, retention="general", window=64),
    "key sentences": replace(BASE, corpus="long_reviews", truncation="key_sentences"),
    "random sentences": replace(BASE, corpus="long_reviews", truncation="random_sentences"),
    "elsewhere": replace(BASE, tested_on="restaurants"),
    **{
        spec: replace(BASE, method=spec)
        for spec in (
            "reinit_layers:2",
            "freeze_layers:3",
            "unfreezing",
            "probe_first",
            "lora:4",
            "label_smoothing:0.2",
            "r_drop:2",
            "ema:0.9",
            "pretrained_decay:0.05",
            "eda:1",
        )
    },
    "contrastive:2": replace(
        BASE, method="contrastive:2", piece_pooling="normalized_mean", epochs=1, head_dropout=Run().head_dropout
    ),
}


def _digest(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _losses(history, *names):
    return [entry[name] for entry in history for name in names if entry.get(name) is not None]


def trace(run, library):
    """The values of each stage that a run passes: a dict of stage to a digest, or to a list of numbers."""
    corpus = library.of(run)
    documents = draw(corpus, run)
    drawn = [[split.texts, split.classes.tolist()] for split in documents]
    if run.further_pretraining != "none":
        drawn.append(source_texts(run, library))
    values = {"documents": _digest(drawn)}
    classifier, row = train(run, progress=False, library=library)
    if run.encoder != "none":
        untrained = Classifier.build(run, corpus.labels).eval()
        segments = untrained.segmenter(documents.test.texts[:4])
        values["segments"] = _digest(untrained.segmenter(documents.train.texts))
        batch = pack(segments)
        states = torch.stack(
            [untrained.pool_pieces(state, batch.bounds) for state in untrained.encoder(batch, untrained.layers)]
        )
        values["encoder"] = states.flatten()[:: max(1, states.numel() // 40)].tolist()
    if row.get("pretraining"):
        values["pretraining"] = _losses(row["pretraining"], "loss", "train_loss")
    if row.get("multitasked"):
        values["multitask"] = [loss for one in row["multitasked"]["history"] for loss in one["loss"] if loss]
    entry = METHODS.entry(run.method)
    own = entry.name if entry.number else "fine_tuning"
    values[own] = [*_losses(row["history"], "loss", "dev_loss"), row["loss"]]
    if row.get("retention"):
        values["retention"] = [*row["retention"].pop("cka"), *sorted(row["retention"].values())]
    texts = documents.test.texts
    pipeline = own == "tfidf"  # scikit-learn's
    return values, _predicted(classifier.predict_proba(texts) if pipeline else classifier.predict(texts).probabilities)


def _predicted(probabilities):
    """The predictions that no rounding can turn: a dict of document to class."""
    scores = np.sort(probabilities, axis=1)
    sure = np.flatnonzero(scores[:, -1] - scores[:, -2] > MARGIN)
    return {str(index): int(probabilities[index].argmax()) for index in sure}


def differing(before, now):
    """The first stage whose values are others than before; "" where all are the same.

    Predictions that differ where all values are the same are the last stage's.
    """
    for stage, value in now["values"].items():
        old = before["values"].get(stage)
        if isinstance(value, str) or old is None or len(old) != len(value):
            if old != value:
                return stage
        elif not np.allclose(value, old, rtol=TOLERANCE, atol=TOLERANCE * 0.01):
            return stage
    shared = before["predictions"].keys() & now["predictions"].keys()
    same = all(before["predictions"][one] == now["predictions"][one] for one in shared)
    return "" if same else list(now["values"])[-1]


def complaint(name, before, now, numbers):
    """What is wrong with a canary's values beside those written down, in a sentence; "" where nothing is.

    numbers: those of the stages when the values were written down.
    """
    raised = [stage for stage in now["values"] if numbers[stage] != STAGES[stage]]
    if raised:
        return f"canary {name!r}: the number of {', '.join(raised)} was changed: python tests/canaries.py write"
    stage = differing(before, now)
    if stage:
        return (
            f"canary {name!r}: stage {stage} computes something else than before, and its number in versions.py is "
            f"still {STAGES[stage]}. Raise it (the part after the dot where only the random stream changed), then: "
            f"python tests/canaries.py write"
        )
    return ""


def write():
    """Write the present values down. Raises ValueError where one changed and no number of its stages was raised."""
    written = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"stages": STAGES, "canaries": {}}
    made = {}
    for name, run in CANARIES.items():
        made[name] = now = dict(zip(("values", "predictions"), trace(run, Library()), strict=True))
        before = written["canaries"].get(name)
        raised = any(written["stages"].get(stage) != STAGES[stage] for stage in now["values"])
        if before and not raised and differing(before, now):
            raise ValueError(complaint(name, before, now, written["stages"]))
    FILE.write_text(json.dumps({"stages": STAGES, "canaries": made}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["write"]:
        sys.exit(__doc__)
    write()
