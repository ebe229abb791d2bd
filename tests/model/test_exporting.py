"""Taking a classifier anywhere: stock checkpoints and ONNX graphs give what the classifier itself gives."""

import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import LETTERS, NO_TORCH
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import bertstudy as bs
from bertstudy import Classifier, OnnxClassifier
from bertstudy.cli import main
from bertstudy.model import stock
from bertstudy.model.predicting import load

LABELS = ["b", "a", "10", "9"]  # in no order of their own
NO_BERTSTUDY = NO_TORCH.replace("torch", "bertstudy")


def texts_of(number, longest=60):
    chosen = random.Random(0)
    return ["", *(" ".join(chosen.choices(LETTERS, k=chosen.randint(1, longest))) for _ in range(number - 1))]


def made(encoder, labels=LABELS, **fields):
    """An untrained classifier in fp32 whose logits are far apart."""
    run = bs.Run(encoder=encoder, **{"window": 24, "precision": "fp32", "truncation": "head", **fields})
    classifier = Classifier.build(run, labels).eval()
    with torch.no_grad():
        classifier.head.weight.mul_(8)
        classifier.head.bias.add_(torch.linspace(-1, 1, len(labels)))
    return classifier


def stock_logits(folder, texts):
    model, tokenizer = (kind.from_pretrained(folder) for kind in (AutoModelForSequenceClassification, AutoTokenizer))
    with torch.no_grad():
        return model(**tokenizer(texts, truncation=True, padding=True, return_tensors="pt")).logits


def of_classifier(classifier, texts):
    logits = classifier.logits(classifier.segmenter(texts))
    assert logits.std(0).min() > 0.05  # the texts differ, so an order mixed up would show
    return logits


@pytest.mark.parametrize("kind", stock.PLACES)
def test_a_stock_checkpoint_gives_the_same_logits(tiny, tmp_path, kind):
    texts = texts_of(40)
    for pooling, truncation in (("cls", "head"), ("cls", "tail"), ("mean", "head")):
        classifier = made(tiny(kind), piece_pooling=pooling, truncation=truncation)
        if type(classifier.pool_pieces) not in stock.PLACES[kind].pooled:
            with pytest.raises(ValueError, match=f"'{kind}' has no such pooling. Save it as ONNX"):
                classifier.save(tmp_path / "refused", format="transformers")
            continue
        folder = tmp_path / f"{pooling}-{truncation}"
        classifier.save(folder, format="transformers")
        assert json.loads((folder / "config.json").read_text())["model_type"] == kind
        difference = stock_logits(folder, texts) - of_classifier(classifier, texts)
        assert difference.abs().max() < 1e-5


def test_a_stock_checkpoint_of_a_lower_layer_and_many_classes(tiny, tmp_path):
    texts, labels = texts_of(20), [f"class {number}" for number in range(15)]
    classifier = made(tiny(), labels, layers="0")
    classifier.save(tmp_path / "model", format="transformers")
    assert (stock_logits(tmp_path / "model", texts) - of_classifier(classifier, texts)).abs().max() < 1e-5
    with pytest.raises(ValueError, match="16 classes: transformers' head has room"):  # of 32 features
        made(tiny(), [*labels, "more"]).save(tmp_path / "more", format="transformers")


def test_rescaled_and_low_rank_classifiers_are_exported_as_they_predict(tiny, tmp_path):
    texts = texts_of(20)
    classifier = made(tiny(), method="lora:4")
    with torch.no_grad():
        for name, weight in classifier.encoder.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.2)
    classifier.rescale(0.5)
    expected = of_classifier(classifier, texts)
    for format in ("transformers", "onnx"):
        classifier.save(tmp_path / format, format=format)
    assert (stock_logits(tmp_path / "transformers", texts) - expected).abs().max() < 1e-5
    by_graph = OnnxClassifier.load(tmp_path / "onnx")
    assert np.abs(by_graph.logits(by_graph.segmenter(texts)) - expected.numpy()).max() < 1e-4
    assert (of_classifier(classifier, texts) - expected).abs().max() == 0  # and the classifier is as it was


@pytest.mark.parametrize(
    ("fields", "formats", "told"),
    [
        ({"truncation": "chunks", "segment_pooling": "mean"}, ("transformers", "onnx"), "several segments"),
        ({"corpus": "pairs.csv", "text_column": "a|b"}, ("transformers", "onnx-int8"), "reads pairs"),
        ({"method": "features"}, ("transformers", "onnx"), "a network of its own"),
        ({"layers": "concat:1-2"}, ("transformers",), "read one layer. Save it as ONNX"),
        ({"truncation": "head+tail:8"}, ("transformers",), "tokenizers can't do that. Save it as ONNX"),
        ({"prefix": "a b"}, ("transformers",), "prefix='a b': transformers' tokenizers can't"),
        ({"piece_pooling": "max"}, ("transformers",), "no such pooling"),
    ],
)
def test_what_a_format_can_not_carry_out_is_refused_with_another_way(tiny, tmp_path, fields, formats, told):
    classifier = made(tiny(), **fields)
    for format in formats:
        with pytest.raises(ValueError, match=told):
            classifier.save(tmp_path / "model", format=format)
    assert not (tmp_path / "model").exists()


def test_an_unknown_format_is_told(tiny, tmp_path):
    with pytest.raises(ValueError, match="format='onx' is unknown. Did you mean 'onnx'"):
        made(tiny()).save(tmp_path / "model", format="onx")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("bert", {"truncation": "head+tail:8", "piece_pooling": "mean", "prefix": "q r"}),
        ("mpnet", {"piece_pooling": "max"}),
        ("bert", {"layers": "concat:0-2", "piece_pooling": "normalized_mean"}),
        ("modernbert", {"layers": "concat:0-2", "piece_pooling": "mean"}),
        ("roberta", {"layers": "max:1-2"}),
        ("deberta-v2", {"truncation": "key_sentences"}),
    ],
)
def test_a_graph_gives_the_same_logits_whatever_the_recipe(tiny, tmp_path, kind, fields):
    texts = texts_of(40)
    classifier = made(tiny(kind), **fields)
    classifier.threshold = 0.75
    classifier.save(tmp_path / "model", format="onnx")
    by_graph = load(tmp_path / "model")
    assert isinstance(by_graph, OnnxClassifier)
    assert (by_graph.labels, by_graph.threshold) == (LABELS, 0.75)
    difference = by_graph.logits(by_graph.segmenter(texts)) - of_classifier(classifier, texts).numpy()
    assert np.abs(difference).max() < 1e-4
    assert by_graph.predict(texts).labels == classifier.predict(texts).labels
    alone = np.concatenate([by_graph.predict(text).probabilities for text in texts[:7]])
    assert np.abs(alone - by_graph.predict(texts).probabilities[:7]).max() < 1e-5


def test_eight_bits_are_a_third_of_the_size_and_near(tiny, tmp_path):
    classifier = made(tiny(), piece_pooling="mean")
    for format in ("onnx", "onnx-int8"):
        classifier.save(tmp_path / format, format=format)
    texts = texts_of(200)
    expected, light = classifier.predict(texts), load(tmp_path / "onnx-int8").predict(texts)
    same = np.mean([one == other for one, other in zip(expected.labels, light.labels, strict=True)])
    assert same > 0.9
    assert 0 < np.abs(expected.probabilities - light.probabilities).max() < 0.2
    sizes = [(tmp_path / format / "model.onnx").stat().st_size for format in ("onnx", "onnx-int8")]
    assert sizes[1] < 0.8 * sizes[0]


def test_a_torn_folder_of_a_graph_is_told(tiny, tmp_path):
    made(tiny()).save(tmp_path / "whole", format="onnx")
    for lost in ("model.onnx", "config.json", "tokenizer.json"):
        shutil.copytree(tmp_path / "whole", tmp_path / lost)
        (tmp_path / lost / lost).unlink()
        with pytest.raises((ValueError, FileNotFoundError), match=str(tmp_path)):
            load(tmp_path / lost)


def test_a_graph_of_other_labels_is_told(tiny, tmp_path):
    for name, labels in (("one", LABELS), ("other", ["a", "b"])):
        made(tiny(), labels).save(tmp_path / name, format="onnx")
    (tmp_path / "other" / "model.onnx").replace(tmp_path / "one" / "model.onnx")
    with pytest.raises(ValueError, match="model.onnx is of another classifier than config.json"):
        load(tmp_path / "one")


def process(code, *arguments):
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "You are using a model of type" not in done.stderr
    return done.stdout


WITHOUT_BERTSTUDY = """
import json, sys
from transformers import pipeline
classify = pipeline("text-classification", model=sys.argv[1], device="cpu")
texts = json.loads(open(sys.argv[2]).read())
print(json.dumps([one["label"] for one in classify(texts, truncation=True, batch_size=16)]))
"""
WITHOUT_TORCH = """
import json, sys
import bertstudy as bs
texts = json.loads(open(sys.argv[2]).read())
labels, probabilities = bs.OnnxClassifier.load(sys.argv[1]).predict(texts)
assert not [name for name in sys.modules if name.startswith("torch.")]
print(json.dumps([labels, probabilities.tolist()]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bert", "roberta", "modernbert", "mpnet"])
def test_processes_without_bertstudy_and_without_torch_give_the_same_labels(tiny, tmp_path, kind):
    classifier, texts = made(tiny(kind)), texts_of(500)
    expected = classifier.predict(texts)
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    for format in ("transformers", "onnx"):
        classifier.save(tmp_path / format, format=format)
    stock_labels = process(NO_BERTSTUDY + WITHOUT_BERTSTUDY, tmp_path / "transformers", tmp_path / "texts.json")
    assert json.loads(stock_labels.splitlines()[-1]) == expected.labels
    by_graph = process(NO_TORCH + WITHOUT_TORCH, tmp_path / "onnx", tmp_path / "texts.json")
    labels, probabilities = json.loads(by_graph.splitlines()[-1])
    assert labels == expected.labels
    assert np.abs(probabilities - expected.probabilities).max() < 1e-4


def test_the_command_exports_measures_and_writes_the_card(small, letters, tmp_path, capsys):
    classifier, row = bs.train(replace(small, precision="fp32"))
    classifier.save(tmp_path / "model", row, license="mit")
    test = f"{letters}/test.csv"
    main(["export", str(tmp_path / "model"), "--onnx", "--int8", "--out", str(tmp_path / "light"), "--test", test])
    printed = capsys.readouterr().out
    card = (tmp_path / "light" / "README.md").read_text()
    assert printed.strip() in card
    rows = [line.split("|") for line in printed.splitlines() if line.startswith("| ")][1:]
    assert [row[1].strip() for row in rows] == ["PyTorch", "ONNX, fp32", "ONNX, 8 bits"]
    assert f"{row['error']:.2f} [" in rows[0][2]
    assert rows[1][4].strip() == "0.00"
    assert all(float(row[3]) > 0 for row in rows)
    before = (tmp_path / "model" / "README.md").read_text()
    told = before[before.index("## Data") : before.index("## Recipe")]
    assert told in card  # what was tested is still told
    assert "onnxruntime" in card[card.index("## Use") : card.index("## Classes")]
    assert "license: mit" in card

    predicted = pd.DataFrame({"text": texts_of(5)})
    predicted.to_csv(tmp_path / "new.csv", index=False)
    main(["predict", str(tmp_path / "light"), str(tmp_path / "new.csv"), "--out", str(tmp_path / "out.csv")])
    assert len(pd.read_csv(tmp_path / "out.csv")) == 5

    main(["export", str(tmp_path / "model"), "--onnx", "--out", str(tmp_path / "plain")])
    assert capsys.readouterr().out.strip() == f"Saved in {tmp_path / 'plain'}."


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--transformers", "--int8"], "--int8 goes with --onnx"),
        (["--transformers", "--test", "{test}"], "only formats of ONNX are measured"),
        (["--onnx", "--test", "{other}"], "it has the label 'odd', and the classifier knows a, z"),
        (["--onnx", "--out", "{model}"], "that is the classifier itself"),
    ],
)
def test_wrong_calls_are_told_in_a_line(small, letters, tmp_path, capsys, arguments, told):
    Classifier.build(replace(small, truncation="head"), ["a", "z"]).save(tmp_path / "model")
    pd.DataFrame({"text": ["a b"], "label": ["odd"]}).to_csv(tmp_path / "other.csv", index=False)
    places = {"test": f"{letters}/test.csv", "other": tmp_path / "other.csv", "model": tmp_path / "model"}
    arguments = [one.format(**places) for one in arguments]
    with pytest.raises(SystemExit) as end:
        main(["export", str(tmp_path / "model"), "--out", str(tmp_path / "out"), *arguments])
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert told in error
    assert not (tmp_path / "out").exists()


def test_a_classifier_of_words_needs_no_other_format(small, tmp_path):
    classifier, row = bs.train(bs.Run(corpus=small.corpus, method="words", encoder="none"))
    classifier.save(tmp_path / "words", row)
    with pytest.raises(ValueError, match="no classifier in bertstudy's own format"):
        bs.export(tmp_path / "words", tmp_path / "out", "onnx")
