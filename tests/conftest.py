"""Tests write to folders of their own and use tiny encoders with weights large enough for attention to matter."""

import os
import tempfile
from pathlib import Path

_SCRATCH = tempfile.TemporaryDirectory(prefix="bertstudy-tests-")  # removed when the process ends
SCRATCH = Path(_SCRATCH.name)
os.environ["BERTSTUDY_REPORTS"] = str(SCRATCH / "reports")
os.environ["BERTSTUDY_RUNS"] = str(SCRATCH / "runs")
REAL_DATA = os.environ.pop("BERTSTUDY_DATA", None) or str(Path(__file__).parents[2] / "shared" / "data")
os.environ.pop("BERTSTUDY_PROFILE", None)
if "PYTEST_XDIST_WORKER" in os.environ:  # one thread a process, those the tests start too: threads that wait for each
    os.environ["OMP_NUM_THREADS"] = "1"  # other on cores that are busy make everything many times slower

import pytest  # noqa: E402
import torch  # noqa: E402

# Code for a fresh interpreter that is as one where torch is not installed.
NO_TORCH = """
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] == "torch" else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = map(Without, sys.meta_path)
"""
OF_KIND = {  # what makes tiny encoders of a type like large ones
    "albert": {"embedding_size": 16},
    "deberta-v2": {
        "relative_attention": True,
        "position_buckets": 16,
        "pos_att_type": ["p2c", "c2p"],
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
    "eurobert": {"num_key_value_heads": 2, "bos_token_id": 2, "eos_token_id": 3},
    "longformer": {"attention_window": 16},  # to which each segment is padded
    "modernbert": {
        "local_attention": 16,
        "global_attn_every_n_layers": 2,
        "cls_token_id": 2,
        "sep_token_id": 3,
        "bos_token_id": 2,
        "eos_token_id": 3,
    },
}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def make_encoder(folder, kind="bert", layers=3, hidden=32, positions=520):
    """A tiny encoder in a folder: config, safetensors, and a tokenizer whose words are single letters."""
    from transformers import AutoConfig, AutoModel, BertTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if kind == "mpnet":  # in which the second piece pads, whatever the config says
        special[:2] = special[1::-1]
    vocabulary = {piece: number for number, piece in enumerate([*special, *LETTERS, *(f"##{one}" for one in LETTERS)])}
    sizes = dict(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=2 * hidden)
    if kind == "distilbert":
        sizes = dict(dim=hidden, n_layers=layers, n_heads=4, hidden_dim=2 * hidden)
    if kind == "xlnet":  # whose config takes no number of positions
        sizes = dict(d_model=hidden, n_head=4, d_inner=2 * hidden, n_layer=layers)
    sizes |= OF_KIND.get(kind, {})
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(vocabulary),
        **({} if kind == "xlnet" else {"max_position_embeddings": positions}),
        pad_token_id=special.index("[PAD]"),
        initializer_range=0.3,
        **sizes,
    )
    torch.manual_seed(0)
    model = AutoModel.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():  # biases and LayerNorm too, so that nothing is zero by luck
            weight.add_(0.05 * torch.randn_like(weight))
    model.save_pretrained(folder)
    BertTokenizerFast(vocab=vocabulary).save_pretrained(folder)
    return str(folder)


def square_labels(masked):
    """Masked pieces as transformers' own models take them: ids, attention and labels, each (segments, longest)."""
    import torch

    from bertstudy.model.batching import pad

    ids, attention = pad(masked.batch, 0)
    labels = torch.full_like(masked.batch.ids[0], -100)
    labels[masked.chosen] = masked.pieces
    square = torch.full_like(ids, -100)
    square[attention.bool()] = labels
    return ids, attention, square


def forked(work):
    """A process that does work() for ever, or until it is killed; gives its number.

    The lock of tqdm's bars is shared with such a process, and who waits for what was killed with it waits for ever: so
    in there bars go without.
    """
    child = os.fork()
    if child == 0:
        from tqdm.std import TqdmDefaultWriteLock

        TqdmDefaultWriteLock.acquire = TqdmDefaultWriteLock.release = lambda *_: None
        while True:
            work()
    return child


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A function: kind of model -> folder of a tiny one, made once a session."""
    made = {}

    def get(kind="bert"):
        if kind not in made:
            made[kind] = make_encoder(tmp_path_factory.mktemp(kind) / kind, kind)
        return made[kind]

    return get


@pytest.fixture
def letters(tmp_path):
    """A corpus in a folder: 120 + 60 short texts of letters; class "a" has more of a to f, class "z" of u to z."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    folder = tmp_path / "letters"
    folder.mkdir()
    for name, size in (("train", 120), ("test", 60)):
        labels = np.arange(size) % 2
        bias = {0: "abcdef", 1: "uvwxyz"}
        texts = []
        for one in labels:
            words = random.choice(list(bias[one] * 3 + LETTERS), random.integers(4, 30))
            texts.append(" ".join(word + "!" * (place % 5 == 4) for place, word in enumerate(words)))
        pd.DataFrame({"text": texts, "label": ["az"[one] for one in labels]}).to_csv(
            folder / f"{name}.csv", index=False
        )
    return str(folder)


@pytest.fixture
def half_everywhere(monkeypatch):
    """Half precision on any processor, however slow there."""
    from bertstudy.model import precision

    monkeypatch.setattr(precision, "half_precision", lambda device: torch.bfloat16)


@pytest.fixture
def small(tiny, letters):
    """A Run that takes a second: tiny BERT on the letters."""
    from bertstudy import Run

    return Run(
        corpus=letters, encoder=tiny(), window=24, truncation="head+tail:8", learning_rate=3e-3, epochs=2, batch_size=8
    )


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """An empty folder of reports, the test's own."""
    monkeypatch.setenv("BERTSTUDY_REPORTS", str(tmp_path / "reports"))
    return tmp_path / "reports"


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by Playwright."""
    import shutil

    from playwright.sync_api import sync_playwright

    if not (place := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def real_data():
    """The folder of real corpora: BERTSTUDY_DATA, or shared/data beside the repository."""
    if not Path(REAL_DATA).is_dir():
        pytest.skip("no real corpora here: set BERTSTUDY_DATA to a folder with imdb/train.parquet and so on")
    return Path(REAL_DATA)


@pytest.fixture
def table():
    """A table of 120 texts of letters in two classes."""
    import pandas as pd
    from letters import texts_of

    texts, labels = texts_of(120)
    return pd.DataFrame({"text": texts, "label": labels})


@pytest.fixture
def written(tmp_path):
    """A function: a table -> the path of it as CSV."""

    def write(frame, name="mine.csv"):
        frame.to_csv(tmp_path / name, index=False)
        return str(tmp_path / name)

    return write


@pytest.fixture
def begun(tmp_path, tiny, monkeypatch):
    """A function: parameters -> YourData with a tiny encoder, whose runs and classifier are the test's own."""
    from dataclasses import replace

    from bertstudy.advice import documents

    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "runs"))

    def begin(**parameters):
        data = documents.begin(profile="smoke", **{"encoder": tiny()} | parameters)
        data.base = replace(data.base, learning_rate=1.5e-3, window=24, truncation="head+tail:8", batch_size=8)
        return data

    return begin
