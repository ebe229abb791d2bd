import json
import shutil

import pytest
import torch
from conftest import make_encoder
from transformers import AutoModel

from bertstudy import Run
from bertstudy.model.batching import pack
from bertstudy.model.encoder import Encoder
from bertstudy.model.loading import check_encoder, encoder_config, load_tokenizer, longest_window
from bertstudy.model.locations import weights_hash, where


def quiet(name, **options):
    return Encoder.load(name, dropout=0.0, **options)


def test_supported_types_say_nothing(tiny, caplog):
    quiet(tiny("roberta"))
    assert caplog.text == ""


def test_weights_that_are_only_pickled_are_refused(tiny, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(tiny(), folder)
    model = AutoModel.from_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="only in .bin are refused"):
        Encoder.load(str(folder))


@pytest.mark.parametrize("load", [encoder_config, load_tokenizer, Encoder.load])
def test_an_encoder_that_is_nowhere_says_what_to_do(load, monkeypatch):
    monkeypatch.setattr("bertstudy.data.hub.reachable", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="encoder='no/such' can't be loaded.*Offline, use encoder='control'"):
        load("no/such")


def test_a_named_encoder_is_found_in_the_folder_of_encoders_and_else_on_the_hub(tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("BERTSTUDY_ENCODERS", raising=False)
    assert where("mpnet") == "sentence-transformers/all-mpnet-base-v2"
    monkeypatch.setenv("BERTSTUDY_ENCODERS", str(tmp_path))
    assert where("mpnet") == "sentence-transformers/all-mpnet-base-v2"  # the folder lacks it
    shutil.copytree(tiny(), tmp_path / "mpnet")
    assert Encoder.load("mpnet").config.num_hidden_layers == 3
    assert weights_hash("mpnet") == weights_hash(tiny())


def test_more_layers_than_there_are_is_an_error(tiny):
    with pytest.raises(ValueError, match="has 3 layers; 4 were asked for"):
        Encoder.load(tiny(), depth=4)


OFFSET = ["bert", "electra", "distilbert", "roberta", "xlm-roberta", "camembert", "mpnet", "data2vec-text"]


@pytest.mark.parametrize("kind", OFFSET)
def test_a_segment_of_the_longest_window_runs_and_one_longer_does_not(tmp_path, kind):
    folder = make_encoder(tmp_path / kind, kind, layers=1, positions=24)
    encoder, most = quiet(folder).eval(), longest_window(encoder_config(folder))
    assert most in (22, 23, 24)
    assert encoder(pack([[[7] * most]]), [0])[0].shape == (most, 32)
    with pytest.raises((IndexError, RuntimeError)):
        encoder(pack([[[7] * (most + 1)]]), [0])
    check_encoder(Run(encoder=folder, window=most, truncation="head"))
    with pytest.raises(ValueError, match=f"window={most + 1}.*at most {most} word pieces"):
        check_encoder(Run(encoder=folder, window=most + 1, truncation="head"))


def test_code_that_comes_with_an_encoder_is_not_run_and_nobody_is_asked(tiny, tmp_path):
    folder = tmp_path / "foreign"
    shutil.copytree(tiny(), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "foreign", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    for load in (encoder_config, Encoder.load):
        with pytest.raises(ValueError, match="can't be loaded"):
            load(str(folder))
    assert not (tmp_path / "ran").exists()
