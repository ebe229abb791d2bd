"""TensorBoard: what is written is what happened, and nothing is written unasked."""

from dataclasses import replace

import pytest

import bertstudy as bs
from bertstudy.cli import main
from bertstudy.training import log


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs" / "tensorboard"


def events_of(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def read(folder):
    """{name: [(step, value), …]} of the scalars in a folder, by TensorBoard's own reader."""
    events = events_of(folder)
    return {name: [(one.step, one.value) for one in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_tensorboard_has_each_steps_loss_and_what_dev_says(small, place, monkeypatch):
    monkeypatch.setenv(log.LOG, "tensorboard")
    _, row = bs.train(replace(small, dev_fraction=0.2, evaluations=2), progress=False)
    told, history = read(place / row["id"]), row["history"]
    steps = history[-1]["step"]
    assert [step for step, _ in told["train/loss"]] == list(range(1, steps + 1))
    for name, field in (("dev/error", "dev_error"), ("dev/loss", "dev_loss"), ("learning_rate", "learning_rate")):
        assert [step for step, _ in told[name]] == [entry["step"] for entry in history]
        assert [value for _, value in told[name]] == pytest.approx([entry[field] for entry in history], rel=1e-5)
    first = [value for _, value in told["train/loss"][: history[0]["step"]]]
    assert sum(first) / len(first) == pytest.approx(history[0]["loss"], rel=1e-4)  # batches are of one size here
    assert told["test/error"] == [(0, pytest.approx(row["error"], rel=1e-6))]
    assert min(value for _, value in told["train/loss"][-5:]) < first[0]


def test_tensorboard_has_the_fields_of_the_run(small, place, monkeypatch):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    monkeypatch.setenv(log.LOG, "tensorboard")
    _, row = bs.train(small, progress=False)
    metadata = events_of(place / row["id"]).SummaryMetadata("_hparams_/session_start_info")
    fields = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info.hparams
    assert fields["learning_rate"].number_value == small.learning_rate
    assert fields["truncation"].string_value == small.truncation
    assert set(fields) == set(vars(small))


def test_a_log_changes_no_result_and_is_written_only_when_asked_for(small, place, monkeypatch):
    _, plain = bs.train(small, progress=False)
    assert not place.exists()
    monkeypatch.setenv(log.LOG, "tensorboard")
    _, row = bs.train(small, progress=False)
    assert row["predictions"] == plain["predictions"]
    assert row["history"][-1]["loss"] == plain["history"][-1]["loss"]


def test_an_unknown_log_and_a_missing_package_are_told_before_the_run(small, place, monkeypatch):
    monkeypatch.setenv(log.LOG, "tensorbord")
    with pytest.raises(ValueError, match="BERTSTUDY_LOG='tensorbord' is unknown. Did you mean 'tensorboard'"):
        bs.train(small, progress=False)
    monkeypatch.setenv(log.LOG, "tensorboard")
    monkeypatch.setattr(log, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install 'bertstudy\\[log\\]'"):
        bs.train(small, progress=False)


def test_the_command_asks_for_a_log(letters, place, monkeypatch, tmp_path, tiny, capsys):
    monkeypatch.setenv(log.LOG, "")
    options = ["--encoder", tiny(), "--profile", "control", "--minutes", "0.2", "--out", str(tmp_path / "model")]
    main(["fit", f"{letters}/train.csv", *options, "--log", "tensorboard"])
    assert capsys.readouterr().out
    made = [path.stem for path in (place.parent / "your_data" / "rows").glob("*.json")]
    assert made
    assert all("test/error" in read(place / row_id) for row_id in made)  # a run that the minutes stopped has none
