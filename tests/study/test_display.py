import numpy as np
import pandas as pd
import pytest

from bertstudy.study.display import readable, shown, with_intervals


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
    assert "1,234 (1.0 to 2,000)" in page


@pytest.mark.parametrize(
    ("value", "digits", "says"),
    [
        (0.091709, 2, "0.09"),
        (0.091709, 6, "0.09171"),
        (12.3456, 3, "12.35"),
        (123456.7, 2, "123,457"),
        (999.96, 2, "1,000.0"),
        (0.0, 2, "0.00"),
        (-3.14159, 2, "-3.14"),
        (12345, 2, "12,345"),
        (["good", 0.5], 1, "good, 0.5"),
        (True, 2, "yes"),
        (None, 2, ""),
        (float("nan"), 2, ""),
        ("a, b", 2, "a, b"),
    ],
)
def test_a_cell_is_text_that_a_reader_reads(value, digits, says):
    assert readable(value, digits) == says


def test_mappings_are_tables_and_lists_are_lines():
    assert shown(["<a>", "b"]).data == "<p>&lt;a&gt;, b</p>"
    one_line = shown({"x": 0.5, "y": 2}).to_html()
    assert one_line.count("<td") == 2
    assert "0.50" in one_line
    lines = shown({"first": {"x": 1}, "second": {"x": 2}}).to_html()
    assert "first" in lines
    assert lines.count("<td") == 2
