import numpy as np
import pandas as pd

from bertstudy.study.display import shown, with_intervals


def test_a_number_and_its_interval_share_a_column():
    table = pd.DataFrame(
        {
            "class": ["a", "b"],
            "labelled": [1000, 2],
            "error": [12.34, np.nan],
            "low": [11.0, np.nan],
            "high": [13.9, np.nan],
            "f1": [80.0, 7.0],
            "f1_low": [70.0, np.nan],
            "f1_high": [85.04, np.nan],
        }
    )
    merged = with_intervals(table, 1, {})
    assert list(merged) == ["class", "labelled", "error (%), 95 % interval", "F1 (%), 95 % interval"]
    assert merged["error (%), 95 % interval"].tolist() == ["12.3 (11.0 to 13.9)", ""]
    assert merged["F1 (%), 95 % interval"].tolist() == ["80.0 (70.0 to 85.0)", "7.0"]
    assert "error" in table  # the reader's table stays as it was


def test_an_interval_has_the_format_of_its_number_and_other_tables_stay():
    table = pd.DataFrame({"share": [0.5], "low": [0.25], "high": [0.75]})
    assert with_intervals(table, 1, {"share": "{:.0%}"}).iloc[0, 0] == "50% (25% to 75%)"
    plain = pd.DataFrame({"low": [1], "high": [2], "x": [3]})
    assert with_intervals(plain, 1, {}).equals(plain)


def test_the_page_shows_the_joined_column():
    page = shown(pd.DataFrame({"gain": [1234.5], "low": [1.0], "high": [2000.0]}), digits=1).to_html()
    assert "1,234.5 (1.0 to 2,000.0)" in page
