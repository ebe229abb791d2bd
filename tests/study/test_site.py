"""The report as a site: what its first page says is what the rows say; every link leads somewhere; little is loaded."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from conftest import NO_TORCH

from bertstudy.analysis import claims
from bertstudy.experiments import all_claims
from bertstudy.paths import ROOT, notebooks
from bertstudy.results import rows
from bertstudy.study import site, telling, verdicts

FIGURE = "layer_depth"
RECIPE = json.loads((ROOT / "reports" / "control" / "figures" / f"{FIGURE}.json").read_text(encoding="utf-8"))


@pytest.fixture
def place(reports):
    """A report of one committed figure with its rows, an executed notebook, and a smoke run that is no result."""
    for folder, names in (
        ("figures", [f"{FIGURE}{end}" for end in (".json", ".svg", ".csv")]),
        ("rows", RECIPE["rows"]),
    ):
        for name in names:
            name = name if "." in name else f"{name}.json"
            target = reports / "control" / folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / "reports" / "control" / folder / name, target)
    first = next((reports / "control" / "rows").glob("*.json"))
    (reports / "smoke" / "rows").mkdir(parents=True)
    shutil.copyfile(first, reports / "smoke" / "rows" / first.name)
    executed = reports / "site" / "control" / "02_layers.html"
    executed.parent.mkdir(parents=True)
    executed.write_text("<html><head><title>Layers</title></head></html>")
    return reports


class Page(HTMLParser):
    """What a test looks at: addresses, ids, headings, pictures without a text, and names of controls."""

    def __init__(self, path):
        super().__init__()
        self.addresses, self.ids, self.headings, self.silent = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.addresses += [attributes[name] for name in ("href", "src") if name in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        if tag == "img" and not attributes.get("alt"):
            self.silent.append(attributes)


def test_every_link_leads_to_something_and_nothing_is_asked_of_the_network(place):
    site.build()
    pages = sorted(place.glob("site/*.html")) + sorted(place.glob("site/runs/*.html"))
    assert len(pages) == len(list(notebooks().glob("[0-9]*.ipynb"))) + 2
    for path in pages:
        page = Page(path)
        for address in page.addresses:
            if address.startswith("http"):
                assert address.startswith(site.PAPER)
                continue
            file, _, anchor = address.partition("#")
            assert not file or (path.parent / file).is_file(), f"{path.name}: {address}"
            assert not anchor or anchor in (Page(path.parent / file).ids if file else page.ids)
        assert page.silent == []
        assert page.headings[0] == 1
        assert page.headings.count(1) == 1
        assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
        assert len(page.ids) == len(set(page.ids))
        assert not re.search(r"(?:src|<link[^>]*href)=\"https?:", path.read_text(encoding="utf-8"))
        assert path.stat().st_size < 300_000


def test_the_first_page_says_of_each_claim_what_the_rows_say(place):
    text = site.build().read_text(encoding="utf-8")
    table = text.split('<table class="claims"')[1].split("</table>")[0]
    lines = table.split("<tr data-profile=")[1:]
    told = verdicts.verdicts("control").set_index("claim")
    assert len(lines) == len(all_claims()) == len(told)
    for line, claim in zip(lines, told.itertuples(), strict=True):
        assert f'data-verdict="{claim.verdict}"' in line.replace("&#39;", "'")
        assert claims.interval(claim._asdict()) in line
        assert f'href="{claim.notebook}.html"' in line
        assert (f"least of interest {claims.number(claim.least)}" in line) == (claim.verdict != "not run")
    assert set(told["verdict"]) == {"inconclusive", "not run"}
    assert f"0 of {len(told)} findings are decided on these texts" in text
    assert "profile smoke" not in text.lower()


def test_the_answer_tells_the_largest_effects_and_what_is_open():
    line = {"statement": "One is better.", "low": -1.0, "high": 2.0, "seeds": 5.0, "documents": 2000.0}
    table = pd.DataFrame(
        [
            {**line, "verdict": "holds", "effect": effect, "statement": f"{effect:g} is better."}
            for effect in (1.0, 3.0, 2.0)
        ]
        + [{**line, "verdict": "doesn't hold", "effect": -4.0}]
        + [
            {**line, "verdict": "inconclusive", "effect": 0.5, "seeds": seeds, "low": low}
            for seeds, low in ((2, 1), (3, 0))
        ]
        + [{**line, "verdict": "not run", "effect": float("nan")}]
    )
    told = telling.answer(table)
    counts = "holds 3, doesn't hold 1, inconclusive 2, not run 1"
    assert told[0] == f"4 of 7 findings are decided on these texts: {counts}."
    assert told[1] == "It holds: 3 is better (+3.00 [−1.00, +2.00] points; 5 seeds, 2,000 test documents)."
    assert told[2].startswith("It holds: 2 is better")
    assert told[3].startswith("It doesn't hold: One is better (−4.00")
    open_one = "One is better (+0.50 [+0.00, +2.00] points; 3 seeds, 2,000 test documents)."
    assert told[4] == f"Still open, with the narrowest interval: {open_one}"
    assert len(told) == 5


def test_a_question_has_its_answer_figures_runs_caveats_and_command(place):
    site.build()
    text = (place / "site" / "02_layers.html").read_text(encoding="utf-8")
    assert "papermill notebooks/02_layers.ipynb out.ipynb -p profile control" in text
    assert f'src="control/figures/{FIGURE}.svg"' in text
    assert 'href="control/02_layers.html"' in text
    figure = telling.shown_figures("control")[0]
    assert f'alt="{telling.alt_of(figure)}"' in text.replace("&#39;", "'")
    seeds = {json.loads(path.read_text())["run"]["seed"] for path in (place / "control" / "rows").glob("*.json")}
    assert f"{len(RECIPE['rows'])} runs, {len(seeds)} seeds, up to 1,000 test documents" in text
    assert "§5.3.2" in text
    assert "What may not be concluded" in text
    assert 'rel="prev" href="01_long_text.html"' in text
    assert 'rel="next" href="03_forgetting.html"' in text
    bare = (place / "site" / "04_decay.html").read_text(encoding="utf-8")
    assert "Nothing of this question is stored" in bare
    assert 'rel="next"' not in (sorted(place.glob("site/[0-9]*.html"))[-1]).read_text(encoding="utf-8")


def test_the_runs_of_a_question_are_listed_with_their_ids_and_what_sets_them_apart(place, monkeypatch):
    site.build()
    page, table = (place / "site" / "runs" / f"control-02_layers{ending}" for ending in (".html", ".csv"))
    listed = pd.read_csv(table)
    assert sorted(listed["id"]) == sorted(RECIPE["rows"])
    text = page.read_text(encoding="utf-8")
    for row_id in RECIPE["rows"]:
        assert f'<a href="../../control/rows/{row_id}.json"><code>{row_id}</code></a>' in text
    assert re.findall(r'<th scope="col">(.*?)</th>', text) == [name.replace("_", " ") for name in listed]
    assert {"layers", "seed", "error", "documents", "made", "stale"} <= set(listed)
    monkeypatch.setattr(site, "MOST_LINES", 4)
    site.build()
    text = page.read_text(encoding="utf-8")
    assert text.count("<tr>") == 5
    assert f"the first 4 of {len(listed)}; the CSV has all" in text
    assert len(pd.read_csv(table)) == len(listed)


def test_the_same_rows_give_the_same_bytes_without_torch(place):
    first = site.build().read_bytes()
    code = NO_TORCH + "from bertstudy.study import site; print(site.build())"
    environment = {"BERTSTUDY_REPORTS": str(place), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == first


def test_a_report_without_rows_has_a_first_page_too(reports):
    text = site.build().read_text(encoding="utf-8")
    assert "No rows are stored yet" in text
    assert "05_fewshot.html" in text


def test_how_much_of_each_of_the_papers_tables_is_beyond_chance(place):
    noise = site.build().read_text(encoding="utf-8").split('id="noise"')[1]
    assert "<tr><td>Table 4</td><td>7</td><td>0</td></tr>" in noise
    assert "<tr><td>Table 3</td><td>18</td>" in noise
    assert (place / "noise_floor.csv").read_bytes() == (place / "site" / "noise_floor.csv").read_bytes()


def test_a_missing_run_of_a_figure_is_told(place):
    (place / "control" / "rows" / f"{RECIPE['rows'][0]}.json").unlink()
    site.build()
    assert f"Incomplete: 1 of {len(RECIPE['rows'])} runs are missing" in (place / "site" / "02_layers.html").read_text()
    assert rows.Store.of("control").ids()
