import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from conftest import NO_TORCH

from bertstudy import Run
from bertstudy.experiments import all_claims
from bertstudy.results import rows
from bertstudy.study import report

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><title>a &amp; b</title></svg>'


@pytest.fixture
def place(reports, monkeypatch):
    """A report of one control run with a page and two figures, and a smoke run that is no result."""
    for profile in ("control", "smoke"):
        row = {"run": asdict(Run(corpus="movies")), "depth": 4, "made": "2026-11-01T10:00:00", "code": "c0de"}
        row |= {"id": "a", "error": 12.5, "documents": {"train": 90, "dev": 10, "test": 400}}
        rows.write_json(reports / profile / "rows" / "a.json", row)
    figures = reports / "control" / "figures"
    for name, notebook in (("some_curve", "05_made"), ("other", "07_not_there")):
        rows.write_json(figures / f"{name}.json", {"figure": name, "notebook": notebook, "rows": ["a"]})
        (figures / f"{name}.svg").write_text(SVG)
        (figures / f"{name}.csv").write_text("a\n1\n")
    page = "<html><head><title>Do &lt;script&gt; tags hurt?</title></head></html>"
    (reports / "site" / "control").mkdir(parents=True)
    (reports / "site" / "control" / "05_made.html").write_text(page)
    return reports


def test_the_index_has_a_card_a_notebook_with_its_figures(place):
    page = report.index().read_text(encoding="utf-8")
    assert '<a href="control/05_made.html">Do &lt;script&gt; tags hurt?</a>' in page
    card = page.split('<section class="card">')[1].split("</section>")[0]
    assert 'alt="some curve"' in card
    assert 'href="../control/figures/some_curve.csv"' in card
    assert "png" not in card
    assert 'alt="other"' in page.split("</section>")[1]
    assert "1 runs, the newest of 2026-11-01" in page


def test_it_is_self_contained_and_leaves_out_smoke(place):
    page = report.index().read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", page)
    assert "data:image/svg+xml;base64," in page
    assert "Profile smoke" not in page
    links = re.findall(r'href="([^"#]+)"', page)
    assert all((place / "site" / one).is_file() for one in links)


def test_a_profile_whose_corpora_alone_were_surveyed_is_there_too(place):
    (place / "control" / "rows" / "a.json").unlink()
    page = report.index().read_text(encoding="utf-8")
    assert 'href="control/05_made.html"' in page
    assert "runs, the newest" not in page


def test_the_same_rows_give_the_same_bytes(place):
    first = report.index().read_bytes()
    assert report.index().read_bytes() == first


def test_it_does_without_torch(place):
    code = NO_TORCH + "from bertstudy.study.report import index; print(index())"
    environment = {"BERTSTUDY_REPORTS": str(place), "PATH": "/usr/bin:/bin"}
    root = Path(report.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(place) in done.stdout


def test_the_claims_stand_in_the_index_with_their_verdicts_and_beside_it_as_files(place, monkeypatch):
    page = report.index().read_text(encoding="utf-8")
    table = page.split('<table class="claims">')[1].split("</table>")[0]
    assert table.count("<tr>") == len(all_claims()) + 1
    assert table.count("not run") == len(all_claims())
    assert "§5.3.1, Table 2" in table
    assert 'href="../control/claims.csv"' in page
    assert pd.read_csv(place / "control" / "claims.csv")["claim"].tolist() == [one.name for one in all_claims()]
    assert (place / "control" / "claims.svg").is_file()


def test_the_index_tells_how_much_of_each_of_the_papers_tables_is_beyond_chance(place):
    page = report.index().read_text(encoding="utf-8")
    noise = page.split('id="noise"')[1]
    assert "<tr><td>Table 4</td><td>7</td><td>0</td></tr>" in noise
    assert "<tr><td>Table 3</td><td>18</td>" in noise
    assert (place / "noise_floor.csv").is_file()


@pytest.mark.slow
def test_notebooks_are_executed_side_by_side_and_their_pages_written(reports, monkeypatch):
    made = {page.name: (page, seconds) for page, seconds in report.make(["05", "01_long_text"], "smoke")}
    assert set(made) == {"05_fewshot.html", "01_long_text.html"}
    assert all("Profile smoke" in page.read_text(encoding="utf-8") and seconds > 0 for page, seconds in made.values())
    assert (reports / "smoke" / "figures" / "few_shot.svg").is_file()
    with pytest.raises(ValueError, match="Did you mean '05_fewshot'"):
        list(report.make(["05_fewshots"], "smoke"))


def test_the_runs_behind_each_figure_are_listed_with_their_ids_and_what_sets_them_apart(place):
    other = json.loads((place / "control" / "rows" / "a.json").read_text())
    other["run"]["learning_rate"] = 1e-3
    rows.write_json(place / "control" / "rows" / "b.json", {**other, "id": "b", "error": 25.0})
    rows.write_json(
        place / "control" / "figures" / "some_curve.json",
        {"figure": "some_curve", "notebook": "05_made", "rows": ["a", "b", "gone"]},
    )
    assert 'href="control/runs.html#some_curve"' in report.index().read_text(encoding="utf-8")
    page = (place / "site" / "control" / "runs.html").read_text(encoding="utf-8")
    table = page.split('id="some_curve"')[1].split("</table>")[0]
    assert re.findall(r"<th>(.*?)</th>", table) == ["id", "learning rate", "error", "documents", "made", "stale"]
    assert '<a href="../../control/rows/b.json"><code>b</code></a></td><td>0.001</td><td>25</td><td>400</td>' in table
    assert "gone" not in table
