import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LETTERS, square_labels
from safetensors.torch import load_file
from transformers import AutoModelForPreTraining

from bertstudy import Run, load_corpus
from bertstudy.data.sentences import split
from bertstudy.data.sources import source_texts, sources
from bertstudy.model.encoder import load_pretraining_model
from bertstudy.model.loading import load_tokenizer
from bertstudy.paths import ROOT
from bertstudy.training import pretraining
from bertstudy.training.examples import _shorten, examples, mask, masked_batch, pairs, sentence_ids
from bertstudy.training.pretraining import Pretraining, PretrainingModel, checkpoint, enough, pretrain, split_held_out


def texts(count=80, seed=0):
    """Documents of a few sentences; each keeps to five letters of its own, so that there is something to learn."""
    choose = random.Random(seed)
    documents = []
    for _ in range(count):
        letters = choose.sample(LETTERS, 5)
        sentences = [" ".join(choose.choices(letters, k=choose.randint(3, 9))) for _ in range(choose.randint(2, 8))]
        documents.append("! ".join(sentences) + "!")  # a letter and a full stop would be an abbreviation
    return documents


def settings(encoder, **changes):
    plain = Pretraining(encoder, steps=12, learning_rate=1e-3, batch_size=8, window=32)
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One here. Two there! Three?", ["One here.", "Two there!", "Three?"]),
        ("今天下雨。明天呢？好！", ["今天下雨。", "明天呢？", "好！"]),
        ("没有句号", ["没有句号"]),
        ("   ", []),
        ("no stop at all", ["no stop at all"]),
    ],
)
def test_sentences(text, expected):
    assert split(text) == expected


@pytest.fixture
def tokenizer(tiny):
    return load_tokenizer(tiny())


def test_half_of_the_pairs_follow_and_half_come_from_elsewhere(tokenizer):
    documents = sentence_ids(texts(400), tokenizer)
    made = pairs(documents, 40, random.Random(0))
    assert sum(follows for _, _, follows in made) * 2 == len(made) > 200
    assert all(first and second and len(first) + len(second) <= 40 for first, second, _ in made)
    joined = {number: sum(document, []) for number, document in enumerate(documents)}

    def runs_on(first, second):
        both = str(first + second)[1:-1]
        return any(both in str(whole)[1:-1] for whole in joined.values())

    short = [(first, second, follows) for first, second, follows in made if len(first) + len(second) < 38]
    assert all(runs_on(first, second) for first, second, follows in short if follows)
    assert np.mean([runs_on(first, second) for first, second, follows in short if not follows]) < 0.1


def test_a_pair_that_is_too_long_loses_pieces_at_both_ends_of_the_longer():
    starts, ends = set(), set()
    for seed in range(40):
        first, second = _shorten(range(20), range(100, 105), 12, random.Random(seed))
        assert first == list(range(first[0], first[0] + 7))
        assert second == list(range(100, 105))
        starts.add(first[0])
        ends.add(first[-1])
    assert len(starts) == len(ends) > 3
    first, second = _shorten(range(9), range(100, 108), 8, random.Random(0))
    assert len(first) == len(second) == 4
    assert _shorten([1, 2], [3, 4], 4, random.Random(0)) == ([1, 2], [3, 4])


def test_sentences_of_two_documents_are_enough_for_pairs(tokenizer):
    documents = sentence_ids(["a b! c d! e f! g h!", "m n! o p! q r! s t!"], tokenizer)
    made = [pair for seed in range(9) for pair in pairs(documents, 40, random.Random(seed))]
    assert {follows for *_, follows in made} == {True, False}
    letters = [{piece for sentence in document for piece in sentence} for document in documents]
    for first, second, follows in made:
        assert (set(first) <= letters[0]) == (set(second) <= letters[not follows])


def test_segments_of_a_pair_are_marked(tokenizer):
    documents = sentence_ids(texts(60), tokenizer)
    made = examples(documents, settings("", window=32), 0, tokenizer)
    masked = masked_batch(made[:9], np.random.default_rng(0), tokenizer)
    bounds, types = masked.batch.bounds.tolist(), masked.batch.types[0].tolist()
    for (ids, first, _), start, end in zip(made[:9], bounds[:-1], bounds[1:], strict=True):
        assert len(ids) == end - start <= 32
        assert ids[0] == tokenizer.cls_token_id
        assert [place for place, piece in enumerate(ids) if piece == tokenizer.sep_token_id] == [
            first - 1,
            len(ids) - 1,
        ]
        assert types[start:end] == [0] * first + [1] * (len(ids) - first)
    assert masked.follows.tolist() == [int(follows) for _, _, follows in made[:9]]


def test_masks_are_15_percent_80_10_10_and_spare_special_pieces(tokenizer):
    ids = np.array([tokenizer.cls_token_id, *([7, 8, 9, 10] * 25), tokenizer.sep_token_id] * 1)
    draws = [mask(ids, np.random.default_rng(seed), tokenizer) for seed in range(400)]
    chosen = np.array([one for _, one in draws])
    changed = np.array([masked for masked, _ in draws])
    assert not chosen[:, [0, -1]].any()
    assert (chosen.sum(1) == 15).all()
    share = chosen[:, 1:-1].mean(0)
    assert np.abs(share - 0.15).max() < 4 * (0.15 * 0.85 / 400) ** 0.5
    count = chosen.sum()
    to_mask = (changed[chosen] == tokenizer.mask_token_id).mean()
    kept = (changed[chosen] == np.broadcast_to(ids, chosen.shape)[chosen]).mean()
    assert abs(to_mask - 0.8) < 4 * (0.8 * 0.2 / count) ** 0.5
    random_share = 1 - to_mask - kept
    assert abs(random_share - 0.1) < 4 * (0.1 * 0.9 / count) ** 0.5 + 0.1 / 50
    assert (changed[~chosen] == np.broadcast_to(ids, chosen.shape)[~chosen]).all()
    assert not np.isin(changed[:, 1:-1][changed[:, 1:-1] != tokenizer.mask_token_id], tokenizer.all_special_ids).any()


def test_a_single_piece_is_masked_all_the_same(tokenizer):
    _, chosen = mask([tokenizer.cls_token_id, 9, tokenizer.sep_token_id], np.random.default_rng(0), tokenizer)
    assert chosen.tolist() == [False, True, False]


def test_whole_words_are_masked_together(tokenizer):
    ids = tokenizer("abc d efg hi jklm " * 6)["input_ids"]
    continues = [piece.startswith("##") for piece in tokenizer.convert_ids_to_tokens(ids)]
    assert sum(continues) > 30
    shares = []
    for seed in range(200):
        _, chosen = mask(ids, np.random.default_rng(seed), tokenizer, whole_word=True)
        assert all(chosen[place] == chosen[place - 1] for place, one in enumerate(continues) if one)
        shares.append(chosen.sum() / (len(ids) - 2))
    assert 0.1 < np.mean(shares) <= 0.16


def test_masks_are_drawn_anew_in_every_epoch(tokenizer, tiny):
    documents = sentence_ids(texts(20), tokenizer)
    first, second = (examples(documents, settings(tiny()), epoch, tokenizer) for epoch in (0, 1))
    assert first != second


def test_both_losses_together_equal_those_of_the_padded_model(tiny):
    """Of masked words alone: see tests/model/test_types.py."""
    tokenizer = load_tokenizer(tiny())
    made = examples(sentence_ids(texts(30), tokenizer), settings(tiny()), 0, tokenizer)[:10]
    masked = masked_batch(made, np.random.default_rng(0), tokenizer)
    model, _ = load_pretraining_model(tiny())
    whole = type(model).from_pretrained(tiny(), dtype=torch.float32)
    whole.load_state_dict(model.state_dict())
    ids, attention, square = square_labels(masked)
    with torch.no_grad():
        loss, next_loss, _ = PretrainingModel(model).eval()(masked)
        types = torch.zeros_like(ids)
        types[attention.bool()] = masked.batch.types[0]
        more = dict(token_type_ids=types, next_sentence_label=1 - masked.follows)
        theirs = whole.eval()(ids, attention_mask=attention, labels=square, **more).loss
    assert (loss + next_loss).item() == pytest.approx(theirs.item(), rel=1e-4)


def test_next_sentences_are_refused_where_the_encoder_knows_none(tiny):
    model = PretrainingModel(*load_pretraining_model(tiny("roberta")))
    with pytest.raises(ValueError, match="next_sentence=True.*'roberta'.*next_sentence=False"):
        pretrain(model, texts(), settings(tiny("roberta")), progress=False)


def test_it_learns_and_the_history_says_how(tiny):
    model = PretrainingModel(*load_pretraining_model(tiny()))
    history = pretrain(model, texts(200), settings(tiny(), steps=60), looks=2, progress=False)
    assert [one["step"] for one in history] == [0, 30, 60]
    assert history[0]["loss"] > history[1]["loss"] > history[2]["loss"]
    assert 0 <= history[-1]["next_sentence"] <= 100
    assert history[-1]["pieces"] > 60 * 8 * 10


def test_a_new_head_is_trained_first_with_the_encoder_frozen(tiny):
    model = PretrainingModel(*load_pretraining_model(tiny()))
    before = {name: weight.clone() for name, weight in model.model.named_parameters()}
    pretrain(model, texts(), settings(tiny(), steps=0, head_steps=5), progress=False)
    moved = {name: (weight - before[name]).abs().max().item() for name, weight in model.model.named_parameters()}
    assert any("transform" in name for name in moved if moved[name])
    assert not any(moved[name] for name in moved if name.startswith("bert."))
    assert 1e-3 < max(moved.values()) < 5e-3  # in five steps of AdamW at 1e-3 at most, whatever the encoder's rate


def test_an_encoder_with_a_head_needs_no_head_steps(tiny, tmp_path):
    model, _ = load_pretraining_model(tiny())
    model.save_pretrained(tmp_path / "whole")
    load_tokenizer(tiny()).save_pretrained(tmp_path / "whole")
    again, new = load_pretraining_model(str(tmp_path / "whole"))
    assert not new
    history = pretrain(
        PretrainingModel(again, new), texts(), settings(str(tmp_path / "whole"), steps=3, head_steps=9), progress=False
    )
    assert history[-1]["step"] == 3


def test_every_step_of_every_seed_has_a_dropout_of_its_own(tiny, monkeypatch):
    models, drawn, own = [PretrainingModel(*load_pretraining_model(tiny())) for _ in range(3)], [], torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda seed: drawn.append(int(seed)) or own(seed))
    for seed, model in enumerate(models):
        pretrain(model, texts(), settings(tiny(), steps=3, seed=seed), looks=1, progress=False)
    assert len(drawn) == len(set(drawn)) == 9


def test_the_state_is_saved_every_so_many_steps(tiny, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(pretraining, "SAVE_EVERY", 3)
    monkeypatch.setattr(pretraining.Progress, "save", lambda self: saved.append(self.data["step"]))
    model = PretrainingModel(*load_pretraining_model(tiny()))
    history = pretrain(model, texts(), settings(tiny(), steps=7), tmp_path / "state", looks=2, progress=False)
    assert saved == [3, 6]
    assert [one["step"] for one in history] == [0, 3, 7]


def test_what_was_interrupted_goes_on_and_counts_time_and_pieces_from_the_start(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "SAVE_EVERY", 3)
    asked, save = settings(tiny(), steps=8), pretraining.Progress.save

    def interrupted(state):
        state.data["seconds"] += 100  # as if it had taken long so far
        save(state)
        raise KeyboardInterrupt

    def made(**options):
        model = PretrainingModel(*load_pretraining_model(tiny()))
        return pretrain(model, texts(), asked, progress=False, **options), model.state_dict()

    expected, weights = made()
    monkeypatch.setattr(pretraining.Progress, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made(state_file=tmp_path / "state")
    monkeypatch.setattr(pretraining.Progress, "save", save)
    history, again = made(state_file=tmp_path / "state")
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    for one, other in zip(history, expected, strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}
    assert [one["step"] for one in history] == [0, 2, 4, 6, 8]
    assert history[1]["seconds"] < 100 < history[2]["seconds"] < history[4]["seconds"] < 200


KILLED = """
import json, sys
from bertstudy.training.pretraining import Pretraining, checkpoint
import bertstudy.training.pretraining as module
module.SAVE_EVERY = 2
given = json.loads(sys.argv[1])
print(checkpoint(Pretraining(**given["settings"]), given["texts"], progress=False), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0, 1, 2])
def test_killed_at_any_step_it_ends_with_the_same_weights(tiny, tmp_path, moment, monkeypatch):
    wanted, given = settings(tiny(), steps=40), texts()
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "whole"))
    whole = load_file(checkpoint(wanted, given, progress=False) / "model.safetensors")
    command = [sys.executable, "-c", KILLED, json.dumps({"settings": asdict(wanted), "texts": given})]
    environment = {
        "BERTSTUDY_RUNS": str(tmp_path / "cut"),
        "PATH": "/usr/bin:/bin",
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
    }
    options = dict(env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    running = subprocess.Popen(command, **options)
    wait = random.Random(moment).uniform(0.0, 0.6)
    while not list((tmp_path / "cut").glob("pretrained/*.state")) and running.poll() is None:
        time.sleep(0.01)
    time.sleep(wait)
    running.send_signal(signal.SIGKILL)
    running.wait()
    done = subprocess.run(command, **options, timeout=240, check=True)
    again = load_file(Path(done.stdout.strip()) / "model.safetensors")
    assert all(torch.equal(again[name], weight) for name, weight in whole.items())
    assert not list((tmp_path / "cut").glob("pretrained/*.state"))


def test_an_encoder_without_a_head_is_told_before_it_is_pretrained(tiny, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path))
    folder = checkpoint(settings(tiny(), steps=2, head_steps=1, next_sentence=False), texts(), progress=False)
    assert "has no masked-LM head" in caplog.text
    assert "for 1 steps first" in caplog.text
    caplog.clear()
    checkpoint(settings(str(folder), steps=2, next_sentence=False), texts(), progress=False)
    assert "masked-LM head" not in caplog.text


def test_a_checkpoint_is_shared_and_made_once(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path))
    first = checkpoint(settings(tiny(), steps=3), texts(), progress=False)
    stamp = (first / "model.safetensors").stat().st_mtime_ns
    assert checkpoint(settings(tiny(), steps=3), texts(), progress=False) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == stamp
    others = {checkpoint(settings(tiny(), steps=3, seed=1), texts(), progress=False)}
    others.add(checkpoint(settings(tiny(), steps=3), texts()[:-1], progress=False))
    assert len(others | {first}) == 3
    assert AutoModelForPreTraining.from_pretrained(first).config.model_type == "bert"


def test_too_few_texts_are_told(tiny):
    model = PretrainingModel(*load_pretraining_model(tiny()))
    with pytest.raises(ValueError, match="pretraining_batch_size=8: the texts make only"):
        pretrain(model, texts(4), settings(tiny(), next_sentence=False), progress=False)


def test_a_type_without_such_a_head_is_told(tiny):
    with pytest.raises(ValueError, match="'convbert' is unknown"):
        load_pretraining_model(tiny("convbert"))


def test_of_very_many_texts_twice_as_many_as_all_steps_read_are_drawn():
    given = [str(number) for number in range(5000)]
    plan = settings("", steps=60, head_steps=40, batch_size=10)
    drawn = enough(given, plan)
    assert len(set(drawn)) == len(drawn) == 2 * (60 + 40) * 10
    assert drawn == enough(given, plan) != enough(given, replace(plan, seed=1))
    assert enough(given[:2000], plan) == given[:2000]
    assert len(enough(given, replace(plan, steps=1, head_steps=0))) == 1000  # few enough to cut all into sentences


def test_held_out_documents_are_not_trained_on():
    train, held_out = split_held_out(list(range(100)))
    assert len(held_out) == 5
    assert not set(train) & set(held_out)
    assert len(train) == 95
    for number, held in ((40, 4), (7, 4), (2, 1)):  # four of few, every second of very few
        train, held_out = split_held_out(list(range(number)))
        assert (len(train), len(held_out)) == (number - held, held)


def test_a_pretraining_has_the_defaults_of_a_run():
    assert pretraining.settings_of(Run()) == Pretraining(Run().encoder, steps=0)


BASE = Run(
    corpus="movies",
    encoder="control",
    window=64,
    truncation="head",
    further_pretraining="within_task",
    pretraining_steps=1,
)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("within_task", ["movies"]),
        ("in_domain", ["movies", "restaurants", "restaurants_5"]),
        ("cross_domain", ["movies", "long_reviews", "restaurants", "restaurants_5", "questions", "topics"]),
        ("questions+topics", ["questions", "topics"]),
    ],
)
def test_sources(asked, expected):
    assert sources(replace(BASE, further_pretraining=asked)) == expected
    kept = set(source_texts(replace(BASE, further_pretraining=asked)))
    for name in {*expected, "movies"}:
        assert not kept & set(load_corpus(name).test.texts)
    assert set(load_corpus(expected[0]).train.texts) <= kept


def test_text_that_stands_in_train_and_test_is_not_pretrained_on(letters):
    import pandas as pd

    train, test = (pd.read_csv(f"{letters}/{name}.csv") for name in ("train", "test"))
    test.loc[0, "text"] = train.loc[3, "text"].upper()
    test.to_csv(f"{letters}/test.csv", index=False)
    kept = source_texts(replace(BASE, corpus=letters))
    assert train.loc[3, "text"] not in kept
    assert len(kept) == len(set(train["text"])) - 1


def test_a_domain_of_a_corpus_without_one_is_told(letters):
    with pytest.raises(ValueError, match="belongs to no domain here"):
        sources(replace(BASE, corpus=letters, further_pretraining="in_domain"))


def test_whole_words_are_refused_where_pieces_do_not_tell_them(tiny, monkeypatch):
    tokenizer = load_tokenizer(tiny())
    pieces = {piece.replace("##", "▁"): number for piece, number in tokenizer.get_vocab().items()}
    monkeypatch.setattr(type(tokenizer), "get_vocab", lambda _: pieces)
    model = PretrainingModel(*load_pretraining_model(tiny()))
    with pytest.raises(ValueError, match="whole_word=True.*Use whole_word=False"):
        pretrain(model, texts(), settings(tiny(), whole_word=True), progress=False)


def test_sentences_of_one_document_alone_are_refused(tokenizer, tiny):
    documents = sentence_ids(texts(1), tokenizer)
    with pytest.raises(ValueError, match="next_sentence=True: sentences of two documents"):
        examples(documents, settings(tiny()), 0, tokenizer)
