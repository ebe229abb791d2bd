import pandas as pd
import pytest

from bertstudy.study import bench_growth

SMALL = {"documents": (20, 40), "length": (8, 16), "layers": (1, 2)}


def test_growth_is_a_units_time_at_the_most_and_at_the_least():
    table = pd.DataFrame({"axis": ["documents"] * 3 + ["layers"] * 2, "size": [1, 2, 4, 1, 2]})
    table["seconds"] = [1.0, 2.1, 4.4, 3.0, 3.0]
    assert dict(bench_growth.growths(table)) == pytest.approx({"documents": 1.1, "layers": 0.5})


@pytest.mark.slow
def test_growth_is_measured_along_each_axis_and_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_growth, "USUAL", {"documents": 20, "length": 8, "layers": 1})
    table = bench_growth.growth(rounds=1, axes=SMALL)
    assert table.groupby("axis", sort=False)["size"].apply(tuple).to_dict() == SMALL
    assert (table["seconds"] > 0).all()
    words = bench_growth.report(table, str(tmp_path / "growth.svg"))
    assert words.count("\n") == 4
    assert (tmp_path / "growth.svg").stat().st_size > 5000
