import numpy as np
import pytest

from bertstudy.model.loading import load_tokenizer
from bertstudy.study import bench

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("what", ["training", "inference", "pretraining"])
@pytest.mark.filterwarnings("ignore")
def test_both_sides_run_and_the_ratio_is_printed(what, tiny, capsys):
    ratios = bench.compare(what, count=24 if what == "pretraining" else 4, rounds=1, encoder=tiny())
    printed = capsys.readouterr().out
    assert list(ratios) == [name for name, _, _ in bench.CONTESTS[what]]
    assert all(ratio > 0 for ratio in ratios.values())
    for name, ratio in ratios.items():
        assert f"  {name} (" in printed
        assert f", {ratio:.2f}x (" in printed


def test_composed_texts_are_as_long_as_imdbs(tiny):
    tokenizer = load_tokenizer(tiny())
    lengths = np.array(
        [len(ids) for ids in tokenizer(bench.composed_texts(tokenizer, 3000), verbose=False)["input_ids"]]
    )
    assert 280 < lengths.mean() < 304
    assert 10 < 100 * (lengths > 512).mean() < 15


def test_a_run_a_layer_costs_less_than_as_many_of_full_depth(capsys):
    assert bench.layers(count=24, rounds=1) < 0.9
    assert "12 runs of full depth" in capsys.readouterr().out
