"""Whatever is given wrong is told in a line or two that name it; made from the declarations."""

import math
from dataclasses import fields

import pytest

from bertstudy import Run
from bertstudy.advice import documents
from bertstudy.experiments import EXPERIMENTS
from bertstudy.study.setup import setup

WRONG = ["three", -1, -0.5, 10**12, math.nan, math.inf, [0, 1, 2], {"a": 1}, "a'b\"c\nd", "4%", b"x", True, (1,), "   "]
BEYOND = 10**12  # too many for anything, but no wrong number where there is no limit
UNLIMITED = {"batch_size", "epochs", "evaluations", "max_grad_norm", "min_steps", "test_size", "window"}
MEANT = {"max_grad_norm": math.inf, "sample_seed": -1}  # wrong for other fields


def told(name, call):
    """What an error says of a parameter: checked to be short, and to name it; None where there was no error."""
    try:
        call()
    except (TypeError, ValueError) as error:
        says = str(error)
        assert name in says, says
        assert len(says.splitlines()) <= 2, says
        assert len(says) < 600, says
        return says
    return None


def is_right(declared, value):
    """Whether a value of WRONG is one that a field takes, or a name that only loading can know."""
    if declared.type is bool:
        return value is True and (declared.default or not declared.metadata["off"])
    if declared.type is str:
        own = declared.metadata["names"] or declared.metadata["check"] or declared.metadata["off"]
        return isinstance(value, str) and (value.strip() != "" or not declared.default) and not own
    name = declared.name
    return (name in UNLIMITED and value == BEYOND) or (name in MEANT and value == MEANT[name])


@pytest.mark.parametrize("declared", fields(Run), ids=lambda declared: declared.name)
def test_every_field_tells_what_it_can_not_take(declared):
    for value in WRONG:
        says = told(declared.name, lambda value=value: Run(**{declared.name: value}))
        accepted = is_right(declared, value) and declared.name != "further_pretraining"
        assert (says is None) == accepted, (value, says)


def test_what_a_text_was_meant_to_be_is_the_example():
    assert told("fraction", lambda: Run(fraction="4%")).endswith("Write it as in fraction=0.04.")
    assert told("epochs", lambda: Run(epochs="3")).endswith("Write it as in epochs=3.")
    assert told("fraction", lambda: Run(fraction="a lot")).endswith("Write it as in fraction=1.0.")


PARAMETERS = [(one.name, name) for one in EXPERIMENTS.values() for name in one.parameters]
COMMON = ("seeds", "data_dir", "cluster", "profile", "corpus", "fraction", "test_size", "encoder")
PARAMETERS += [("fewshot", name) for name in COMMON]


@pytest.mark.parametrize(("experiment", "name"), PARAMETERS)
def test_every_parameter_of_a_notebook_tells_what_it_can_not_take(experiment, name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for value in WRONG:
        says = told(name, lambda value=value: setup(experiment, **{"profile": "smoke", name: value}))
        assert says is not None, value


@pytest.mark.parametrize(("corpus", "says"), [("IMDB", "Did you mean 'imdb'"), ("Movies", "Did you mean 'movies'")])
def test_hints_ignore_case(corpus, says):
    assert says in told("corpus", lambda: setup("fewshot", profile="smoke", corpus=corpus))


@pytest.mark.parametrize("name", [*(name for name in documents.EXAMPLES if name != "minutes"), "profile"])
def test_every_setting_of_own_data_tells_what_it_can_not_take(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for value in WRONG:
        says = told(name, lambda value=value: documents.begin(**{"profile": "smoke", name: value}))
        right = (
            (name == "join_labels" and value is True)
            or (name == "budget_minutes" and value == BEYOND)
            or (name == "model_dir" and isinstance(value, str))  # any name may be that of a folder
        )
        assert (says is None) == right, (value, says)


TEXTS, LABELS = [f"a film number {number}" for number in range(60)], ["p", "n"] * 30


IN_MEMORY = ("texts", "labels", "test", "unlabelled", "minutes", "encoder", "metric", "join_labels")


@pytest.mark.parametrize("name", IN_MEMORY)
def test_documents_in_memory_are_checked(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for value in [*WRONG, None]:
        given = {"texts": TEXTS, "labels": LABELS, "profile": "smoke", name: value}
        says = told(name, lambda given=given: documents.in_memory(given.pop("texts"), given.pop("labels"), **given))
        right = {
            "join_labels": value is True,
            "minutes": value == BEYOND and value is not True,
            "test": value is None,
        }.get(name, False)
        assert (says is None) == right, (value, says)


def test_an_unknown_setting_is_told():
    assert "Did you mean 'metric'" in told("metrik", lambda: documents.in_memory(TEXTS, LABELS, metrik="error"))
