"""Taking a classifier home: the same probabilities by every door, in a process that never saw it trained."""

import copy
import json
import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import mistune
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import LETTERS, NO_TORCH, SCRATCH
from huggingface_hub import ModelCard, constants
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import bertstudy as bs
from bertstudy import Classifier
from bertstudy import cli as __main__
from bertstudy.model import saving as home
from bertstudy.model.predicting import inert
from bertstudy.model.words import WordsClassifier
from bertstudy.results.rows import unsqueeze
from bertstudy.stats import wilson

ROOT = Path(bs.__file__).parents[1]
FILES = ["README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
TEXTS = ["a b c", " ".join(LETTERS * 40), "q", "a [SEP] b [PAD] c [CLS]", " ".join(reversed(LETTERS * 3))]
RECIPES = {
    "head+tail": {"truncation": "head+tail:8"},
    "chunks": {"truncation": "chunks", "segment_pooling": "attention"},
}


def make(run, labels=("a", "z")):
    """An untrained classifier whose predictions are far from one half, so that a difference shows."""
    classifier = Classifier.build(run, labels).eval()
    with torch.no_grad():
        classifier.head.weight.mul_(20)
    return classifier


def piped(folder, texts, dtype=torch.float32, **options):
    """Probabilities (n, classes) by transformers' pipeline."""
    classify = pipeline("text-classification", model=str(folder), device="cpu", dtype=dtype)
    results = classify(texts, top_k=None, **options)
    return np.array([[one["score"] for one in sorted(result, key=lambda one: one["label"])] for result in results])


def python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "BERTSTUDY_RUNS": str(SCRATCH), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )


OTHER_PROCESS = """
import sys, json
{imports}
folder, texts = sys.argv[1], json.loads(sys.argv[2])
classify = pipeline("text-classification", model=folder, device="cpu")
print(json.dumps([
    bertstudy.Classifier.load(folder).predict(texts).probabilities.tolist(),
    classify(texts, top_k=None, batch_size=2),
]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "imports"),
    [
        ("head+tail", "import bertstudy\nfrom transformers import pipeline"),
        ("chunks", "from transformers import pipeline\nimport bertstudy"),
    ],
)
def test_a_new_process_gives_the_same_probabilities_by_every_door(small, tmp_path, recipe, imports):
    classifier = make(replace(small, **RECIPES[recipe]))
    classifier.save(tmp_path / "model")
    expected = classifier.predict(TEXTS).probabilities
    assert expected.std(0).min() > 0.05  # the texts differ, so an order mixed up would show
    done = python("-c", OTHER_PROCESS.format(imports=imports), str(tmp_path / "model"), json.dumps(TEXTS))
    loaded, results = json.loads(done.stdout)
    by_pipeline = [[one["score"] for one in sorted(result, key=lambda one: one["label"])] for result in results]
    assert np.abs(loaded - expected).max() < 1e-5
    assert np.abs(by_pipeline - expected).max() < 1e-5
    for complaint in ("sequence length", "not supported", "newly initialized", "Warning"):
        assert complaint not in done.stderr

    pd.DataFrame({"text": TEXTS}).to_csv(tmp_path / "texts.csv", index=False)
    done = python("-m", "bertstudy", "predict", str(tmp_path / "model"), str(tmp_path / "texts.csv"))
    table = pd.read_csv(StringIO(done.stdout))
    assert list(table) == ["row", "label", "a", "z"]
    assert table["row"].tolist() == [1, 2, 3, 4, 5]
    assert table["label"].tolist() == classifier.predict(TEXTS).labels
    assert np.abs(table[["a", "z"]].to_numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
@pytest.mark.filterwarnings("ignore:Encoders of type 'distilbert'")
def test_a_pipeline_keeps_the_truncation_whatever_the_encoder_and_the_batch(tiny, tmp_path, kind):
    texts = [*TEXTS, ""]
    for name, change in RECIPES.items():
        classifier = make(bs.Run(encoder=tiny(kind), window=24, **change))
        classifier.save(tmp_path / name)
        for size in (1, 4):
            difference = piped(tmp_path / name, texts, batch_size=size) - classifier.predict(texts).probabilities
            assert np.abs(difference).max() < 1e-5


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_a_pipeline_in_half_precision_is_near(small, tmp_path, precision):
    classifier = make(small)
    classifier.save(tmp_path / "model")
    difference = piped(tmp_path / "model", TEXTS, dtype=precision) - classifier.predict(TEXTS).probabilities
    assert 0 < np.abs(difference).max() < 0.02


def test_a_pipeline_gives_the_classes_their_names(small, tmp_path):
    classifier = make(small, ["good", "bad"])
    classifier.save(tmp_path / "model")
    results = pipeline("text-classification", model=str(tmp_path / "model"), device="cpu")(TEXTS)
    assert [one["label"] for one in results] == classifier.predict(TEXTS).labels


def test_the_saved_model_wants_whole_single_texts(small, tmp_path):
    make(small).save(tmp_path / "model")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    with pytest.raises(ValueError, match="one text at a time; it was given a pair"):
        model(**tokenizer("a", "b", return_tensors="pt"))
    with pytest.raises(ValueError, match="need \\[CLS\\] at the beginning and \\[SEP\\] at the end"):
        model(**tokenizer("a b", add_special_tokens=False, return_tensors="pt"))


def test_saved_files_are_those_of_save_pretrained_and_tell_no_path(small, tmp_path):
    classifier = make(small)
    classifier.save(tmp_path / "model")
    assert sorted(os.listdir(tmp_path / "model")) == FILES
    for name in FILES:
        assert str(tmp_path).encode() not in (tmp_path / "model" / name).read_bytes()
        assert str(SCRATCH).encode() not in (tmp_path / "model" / name).read_bytes()
        assert small.encoder.encode() not in (tmp_path / "model" / name).read_bytes()
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").save_pretrained(tmp_path / "again")
    ours, theirs = ((tmp_path / one / "config.json").read_text() for one in ("model", "again"))
    assert ours == theirs
    ours, theirs = (load_file(tmp_path / one / "model.safetensors") for one in ("model", "again"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_saved_tokenizer_has_no_limit_and_the_encoders_keeps_its_own(tmp_path):
    classifier = Classifier.build(bs.Run(encoder="control", window=64, truncation="head"), ["a", "z"])
    classifier.tokenizer = copy.deepcopy(classifier.tokenizer)  # tests share the encoder's
    limit = classifier.tokenizer.model_max_length
    classifier.tokenizer.backend_tokenizer.enable_truncation(8)  # as some tokenizers come
    classifier.save(tmp_path / "model")
    assert classifier.tokenizer.model_max_length == limit
    assert json.loads((tmp_path / "model" / "tokenizer.json").read_text())["truncation"] is None
    assert len(AutoTokenizer.from_pretrained(tmp_path / "model")("good " * 3000)["input_ids"]) == 3002


@pytest.mark.parametrize(
    ("corpus", "name"),
    [
        ("imdb", "imdb"),
        ("/home/me/secret/reviews.csv", "reviews.csv"),
        ("secret/reviews.csv", "reviews.csv"),
        ("/home/me/reviews/", "reviews/"),
        ("~/reviews", "reviews/"),
    ],
)
def test_of_a_path_only_the_name_is_left(tmp_path, corpus, name):
    columns = {} if corpus == "imdb" else {"text_column": "review"}
    run = bs.Run(corpus=corpus, encoder=str(tmp_path / "mine"), **columns)
    assert home.portable(run).corpus == name
    assert home.portable(run).encoder == "mine"
    assert home.portable(home.portable(run)) == home.portable(run)


def test_paths_of_further_pretraining_and_hub_ids():
    run = bs.Run(further_pretraining="movies+/home/me/more.csv", pretraining_steps=5, retention="/home/me/texts.jsonl")
    kept = home.portable(run)
    assert kept.further_pretraining == "movies+more.csv"
    assert kept.retention == "texts.jsonl"
    assert kept.encoder == "google-bert/bert-base-uncased"


def test_transformers_without_torch_still_works_beside_bertstudy(small, tmp_path):
    make(small).save(tmp_path / "model")
    code = (
        NO_TORCH
        + "import importlib.util as util; find = util.find_spec;"  # which transformers asks, and takes no error for no
        + "util.find_spec = lambda name, *rest: None if name == 'torch' else find(name, *rest);"
        + "import bertstudy; assert 'transformers' not in sys.modules; from transformers import AutoConfig;"
        + "print(type(AutoConfig.from_pretrained(sys.argv[1])).__name__)"
    )
    assert python("-c", code, str(tmp_path / "model")).stdout.strip() == "BertstudyConfig"


@pytest.mark.slow
def test_a_classifier_loads_by_its_hub_id(small, tmp_path):
    """From the hub's cache, laid out by hand."""
    classifier = make(small)
    repository = tmp_path / "models--me--reviews"
    classifier.save(repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    code = "import bertstudy as bs; print(bs.Classifier.load('me/reviews').predict(['a b']).probabilities.tolist())"
    done = python("-c", code, HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1")
    assert np.abs(json.loads(done.stdout) - classifier.predict(["a b"]).probabilities).max() < 1e-5


def test_what_cannot_be_loaded_is_told(small, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no config\.json in it; give a folder written by Classifier\.save"):
        Classifier.load(tmp_path / "empty")
    for name in (tmp_path / "nowhere", "nobody/nothing"):
        with pytest.raises(FileNotFoundError, match="no such folder, and the hub did not give a model of that name"):
            Classifier.load(name)
    with pytest.raises(ValueError, match=r"a model of type 'bert', not one that Classifier\.save wrote"):
        Classifier.load(tiny())
    make(small).save(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    kept = load_file(weights)
    save_file({name: one for name, one in kept.items() if "head" not in name}, weights, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="its weights are not those of its config"):
        Classifier.load(tmp_path / "model")
    weights.write_bytes(b"broken")
    with pytest.raises(ValueError, match="the saved classifier can't be read"):
        Classifier.load(tmp_path / "model")


def _without(name):
    return lambda folder: (folder / name).unlink()


def _config(**changes):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return change


def _weights(name, value):
    def change(folder):
        weights = load_file(folder / "model.safetensors")
        key = next(key for key in weights if key.endswith(name))
        weights[key].view(-1)[0] = value
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    return change


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_without("tokenizer.json"), r"tokenizer\.json or tokenizer_config\.json is missing"),
        (_without("tokenizer_config.json"), r"tokenizer\.json or tokenizer_config\.json is missing"),
        (_without("model.safetensors"), r"no file named model\.safetensors"),
        (_weights("head.weight", float("nan")), r"values in classifier\.head\.weight that are no numbers"),
        (_weights("word_embeddings.weight", float("inf")), r"word_embeddings\.weight that are no numbers"),
        (_config(id2label={"0": "a", "1": "z", "2": "b"}, label2id={}), "names 3 labels, model.safetensors has 2"),
        (_config(model_type="unheard", auto_map={"AutoConfig": "code.Config"}), "its config.json can't be read"),
        (_config(run={"nonsense": 1}), "unexpected keyword argument 'nonsense'"),
    ],
)
def test_a_folder_that_was_harmed_is_told(small, tmp_path, harm, says):
    make(small).save(tmp_path / "model")
    harm(tmp_path / "model")
    with pytest.raises(ValueError, match=says) as told:
        Classifier.load(tmp_path / "model")
    assert str(tmp_path / "model") in str(told.value)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["weights", "idf", "bias"])
def test_words_whose_weights_are_no_numbers_are_told(small, tmp_path, name):
    arrays = {"idf": np.ones(2), "weights": np.eye(2), "bias": np.zeros(2)}
    arrays[name].flat[0] = np.nan
    WordsClassifier(small, ["a", "z"], ["aa", "bb"], **arrays).save(tmp_path / "model")
    with pytest.raises(ValueError, match=f"values in {name} that are no numbers"):
        Classifier.load(tmp_path / "model")


def test_saving_does_not_overwrite_a_readme_that_is_no_model_card(small, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ValueError, match=r"its README\.md is not a model card"):
        make(small).save(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    make(small).save(tmp_path / "model")
    make(small).save(tmp_path / "model")


def test_a_trained_classifier_goes_home_with_its_row(small, tmp_path):
    classifier, row = bs.train(small, progress=False)
    classifier.save(tmp_path / "model", row, license="mit", language="en")
    test = bs.load_corpus(small.corpus).test
    labels = Classifier.load(tmp_path / "model").predict(test.texts).labels
    assert [classifier.labels[one] for one in unsqueeze(row["predictions"])] == labels
    card = ModelCard.load(tmp_path / "model" / "README.md")
    assert (card.data.license, card.data.language, card.data.pipeline_tag) == ("mit", "en", "text-classification")
    low, high = wilson(round(row["error"] * 0.6), 60)
    assert f"Test: {row['error']:.2f} % of 60 documents" in card.text
    assert f"interval {low:.2f} % to {high:.2f} %" in card.text
    assert f"Dev: {min(one['dev_error'] for one in row['history']):.2f} % of 12 documents" in card.text
    assert "| train | 108 |" in card.text
    assert "learning_rate=0.003," in card.text
    with pytest.raises(ValueError, match="another run than the classifier: they differ in seed"):
        classifier.save(tmp_path / "other", {**row, "run": {**row["run"], "seed": 1}})
    assert not (tmp_path / "other").exists()


def test_a_card_without_a_row_says_what_is_not_known(small, tmp_path):
    make(replace(small, corpus="movies")).save(tmp_path / "model")
    card = ModelCard.load(tmp_path / "model" / "README.md")
    assert card.data.to_dict() == {
        "pipeline_tag": "text-classification",
        "tags": ["bertstudy", "text-classification"],
    }
    assert "Its error was not recorded." in card.text
    assert "Nothing in it is evidence about language." in card.text  # a composed corpus


@pytest.mark.parametrize(
    "name",
    [
        "<b>bold</b> & <script>alert(1)</script>",
        "a | b \\| c",
        "[link](http://example.org) ![x](y) http://example.org",
        "`code` ```fence``` *em* _em_ **strong** ~~no~~ $x$",
        "---",
        "# title",
        "1. one",
        "- item",
        "&amp; &lt;",
    ],
)
def test_names_with_markup_in_them_stand_in_the_card_as_they_are(small, tmp_path, name):
    run = replace(small, corpus=f"{tmp_path}/{name.replace('/', '-')}.csv")
    make(run, [name, "line one\n---\nline two"]).save(tmp_path / "model")
    card = ModelCard.load(tmp_path / "model" / "README.md")
    tree = mistune.create_markdown(renderer=None, plugins=["table", "strikethrough", "url", "math"])(card.text)

    def told(token):
        return token.get("raw", "") + "".join(map(told, token.get("children", [])))

    headings = [told(one) for one in tree if one["type"] == "heading"]
    assert headings[0] == f"Text classifier trained on {name.replace('/', '-')}.csv"
    assert headings[1:] == ["Use", "Classes", "Data", "Error", "Recipe"]
    lists = [one for one in tree if one["type"] == "list"]
    assert [told(item) for item in lists[0]["children"]] == [name, "line one --- line two"]
    code = [one["raw"] for one in tree if one["type"] == "block_code"]
    assert code[-1].startswith("bs.Run(")
    assert code[-1].rstrip().endswith(")")
    assert Classifier.load(tmp_path / "model").labels[0] == name


class Hub:
    """A stand-in for huggingface_hub.HfApi that records what it is asked to do."""

    made, uploaded, public = [], {}, False

    def create_repo(self, repo_id, **options):
        self.made.append((repo_id, options))
        return SimpleNamespace(repo_id=f"me/{repo_id}")

    def model_info(self, repo_id):
        return SimpleNamespace(private=not self.public)

    def upload_folder(self, repo_id, folder_path, **options):
        self.uploaded[repo_id] = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}


@pytest.fixture
def hub(monkeypatch):
    stand_in = type("Hub", (Hub,), {"made": [], "uploaded": {}})
    monkeypatch.setattr(huggingface_hub, "HfApi", stand_in)
    return stand_in


def test_a_classifier_is_pushed_whole(small, tmp_path, hub):
    classifier = make(small)
    assert classifier.push_to_hub("reviews", private=True, license="mit") == "me/reviews"
    assert hub.made == [("reviews", {"private": True, "exist_ok": True})]
    assert sorted(hub.uploaded["me/reviews"]) == FILES
    for name, content in hub.uploaded["me/reviews"].items():
        (tmp_path / name).write_bytes(content)
    assert ModelCard.load(tmp_path / "README.md").data.license == "mit"
    assert np.array_equal(
        Classifier.load(tmp_path).predict(TEXTS).probabilities, classifier.predict(TEXTS).probabilities
    )


def test_what_is_to_be_private_does_not_go_to_a_public_repository(small, hub):
    hub.public = True
    with pytest.raises(ValueError, match="me/reviews exists and is public"):
        make(small).push_to_hub("reviews", private=True)
    assert hub.uploaded == {}


@pytest.fixture
def predict(small, tmp_path, monkeypatch):
    """A function that runs `python -m bertstudy predict MODEL ...` in this process."""
    make(small, ["row", "=1+1, a"]).save(tmp_path / "model")

    def run(*arguments, model=tmp_path / "model"):
        monkeypatch.setattr(sys, "argv", ["bertstudy", "predict", str(model), *map(str, arguments)])
        __main__.main()

    return run


def test_rows_without_a_text_keep_their_place(predict, tmp_path, capsys, caplog):
    (tmp_path / "texts.jsonl").write_text('{"t": "a b"}\n{"t": null}\n{"t": "  "}\n{"t": 7}\n')
    predict(tmp_path / "texts.jsonl", "--text-column", "t", "--out", tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == 'row,label,row,"\'=1+1, a"'
    assert lines[2:4] == ["2,,,", "3,,,"]
    table = pd.read_csv(tmp_path / "out.csv")
    expected = Classifier.load(tmp_path / "model").predict(["a b", "7"])
    assert table["label"].dropna().tolist() == [inert(label) for label in expected.labels]
    assert np.abs(table.iloc[[0, 3], 2:].to_numpy(float) - expected.probabilities).max() < 1e-5
    assert capsys.readouterr().out == ""
    assert "2 rows without a text have no prediction" in caplog.text


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|x", "'+cmd|x"),
        ("-1+A1", "'-1+A1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("-1", "-1"),
        ("+0.5", "+0.5"),
        ("good", "good"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(cell, written):
    assert inert(cell) == written


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.csv"], "nowhere.csv: there is no such file"),
        (["texts.docx"], "file type='.docx' is unknown"),
        (["texts.csv", "--text-column", "txt"], "text_column='txt' is unknown. Did you mean 'text'"),
        (["none.csv"], "the column 'text' has no text in it"),
        (["texts.csv", "--out", "nowhere/out.csv"], "there is no folder nowhere"),
        (["texts.csv", "--out", "texts.csv"], "that is the file of texts; choose another name"),
        (["texts.csv", "--out", "."], "choose a file, not a folder"),
    ],
)
def test_errors_of_the_command_are_one_line(predict, tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    Path("texts.csv").write_text("text\na b\n")
    Path("none.csv").write_text("text,other\n,x\n")
    with pytest.raises(SystemExit) as stop:
        predict(*arguments)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert Path("texts.csv").read_text() == "text\na b\n"


def test_a_model_that_is_not_there_is_one_line_too(predict, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (tmp_path / "texts.csv").write_text("text\na b\n")
    with pytest.raises(SystemExit) as stop:
        predict(tmp_path / "texts.csv", model=tmp_path / "nowhere")
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "there is no such folder" in error
    assert error.count("\n") == 1
