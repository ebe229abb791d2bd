"""The report's notebooks are executed side by side."""

import pytest

from bertstudy.study import report


@pytest.mark.slow
def test_notebooks_are_executed_side_by_side_and_their_pages_written(reports, monkeypatch):
    made = {page.name: (page, seconds) for page, seconds in report.make(["05", "01_long_text"], "smoke")}
    assert set(made) == {"05_fewshot.html", "01_long_text.html"}
    assert all("Profile smoke" in page.read_text(encoding="utf-8") and seconds > 0 for page, seconds in made.values())
    assert (reports / "smoke" / "figures" / "few_shot.svg").is_file()
    with pytest.raises(ValueError, match="Did you mean '05_fewshot'"):
        list(report.make(["05_fewshots"], "smoke"))
