"""The report as a site: a first page with the answer and all findings, a page a question, a page of its runs.

Built from stored rows and committed figures, without torch. Pages share a stylesheet and a small script, and ask for
nothing on the network; without the script tables are whole, and not sorted or filtered.
"""

import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import mistune
import nbformat
import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from .. import experiments as figures
from ..analysis import claims
from ..analysis.claims import interval, number
from ..analysis.deciding import p_shown
from ..paths import notebooks, reports, site
from ..profiles import SHOWS
from ..results.rows import Store, cores_of
from ..results.rows import rows as stored_rows
from ..results.tables import provenance
from ..whole import write_text
from .telling import PROFILES, Shown, alt_of, answer, shown_figures
from .verdicts import verdicts

PAGE = Path(__file__).with_name("page")
PAPER = "https://arxiv.org/abs/1905.05583"
SECTION = re.compile(r"\((§[^)]*)\)")  # of the paper, as the first cell of a notebook names it
SIGNS = {"holds": "✓", "doesn't hold": "✗", "inconclusive": "?", "not run": "–"}
MOST_LINES = 1000  # of a table of runs on a page; its CSV has all
CAVEATS = "## What may not be concluded"


class Question(NamedTuple):
    """A notebook as a reader of the site knows it: its name, title, the paper's section, and what may not be concluded,
    as HTML. claims: the names of its findings."""

    name: str
    title: str
    section: str
    caveats: Markup
    claims: list[str]

    @property
    def page(self) -> str:
        return f"{self.name}.html"


class Part(NamedTuple):
    """A profile of the study: its findings as a table and in lines to show, its figures, the picture of its findings,
    the pages of executed notebooks by their names, runs and the day of the newest."""

    name: str
    shows: str
    findings: pd.DataFrame
    lines: list[dict]
    figures: list[Shown]
    chart: str
    executed: dict[str, str]
    runs: int
    newest: str


def build() -> Path:
    """Write the site from the rows, figures and executed notebooks that there are. Gives the path of its first page."""
    questions, parts = _questions(), [part for name in PROFILES if (part := _part(name))]
    for file in ("style.css", "report.js"):
        site().mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PAGE / file, site() / file)
    for place, question in enumerate(questions):
        around = {"before": questions[place - 1] if place else None, "after": None}
        if place + 1 < len(questions):
            around["after"] = questions[place + 1]
        sections = [section for part in parts if (section := _section(question, part))]
        _write(question.page, "question.html", question=question, sections=sections, **around)
    told = answer(parts[0].findings) if parts else ["No rows are stored yet."]
    options = {"questions": questions, "parts": parts, "answer": told, "noise": _noise()}
    return _write("index.html", "first.html", **options)


def _write(page, template, **values):
    environment = Environment(loader=PackageLoader(__package__, "page"), autoescape=select_autoescape(["html", "j2"]))
    values |= {"home": "../" * page.count("/"), "paper": PAPER, "signs": SIGNS}
    return write_text(site() / page, environment.get_template(f"{template}.j2").render(**values) + "\n")


def _questions():
    """All notebooks as questions, in their order."""
    named = {declared.notebook: declared for declared in figures.EXPERIMENTS.values()}
    found = []
    for path in sorted(notebooks().glob("[0-9][0-9]_*.ipynb")):
        texts = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
        section = SECTION.search(texts[0])
        caveats = next((text.removeprefix(CAVEATS) for text in texts if text.startswith(CAVEATS)), "")
        own = [claim.name for claim in named[path.stem].claims] if path.stem in named else []
        title = texts[0].splitlines()[0].lstrip("# ")
        found.append(Question(path.stem, title, section[1] if section else "", Markup(mistune.html(caveats)), own))
    return found


def _part(name):
    """A profile with its findings, or None where it has neither rows nor pages."""
    rows = stored_rows(name)
    executed = {page.stem: f"{name}/{page.name}" for page in sorted((site() / name).glob("[0-9][0-9]_*.html"))}
    if rows.empty and not executed:
        return None
    table = verdicts(name)
    chart = figures.claims(table)
    figures.save(chart, table, reports() / name / "claims", site() / name / "claims")
    plt.close(chart)
    picture = _published(reports() / name / "claims", name)
    newest = "" if rows.empty else max(rows["made"])[:10]
    shown = shown_figures(name)
    return Part(name, SHOWS[name], table, _lines(table), shown, picture, executed, len(rows), newest)


def _published(place, folder):
    """Copy a figure and its numbers into the site. Gives the figure's address there."""
    target = site() / folder / place.name
    target.parent.mkdir(parents=True, exist_ok=True)
    for ending in (".svg", ".csv"):
        if place.with_suffix(ending).is_file():
            shutil.copyfile(place.with_suffix(ending), target.with_suffix(ending))
    return f"{folder}/{place.name}.svg"


def _lines(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The findings of a profile as the first page shows them, with what tables are sorted by."""
    lines = []
    for line in table.to_dict("records"):
        told = {"interval": interval(line), "paper": number(line["paper"]), "least": number(line["least"])}
        told |= {name: "" if pd.isna(line[name]) else f"{line[name]:,.0f}" for name in ("seeds", "labels", "documents")}
        order = {name: "" if pd.isna(line[name]) else line[name] for name in ("effect", "p")}
        lines.append({**line, **told, "order": order, "p": p_shown(line["p"])})
    return lines


def _section(question, part):
    """What a profile has to say of a question; None where that is nothing."""
    own = [figure for figure in part.figures if figure.notebook == question.name]
    lines = [line for line in part.lines if line["claim"] in question.claims]
    if not own and question.name not in part.executed:
        return None
    ids = list(dict.fromkeys(row_id for figure in own if figure.kind == "rows" for row_id in figure.ids))
    rows = list(Store.of(part.name).all(ids))
    return {
        "part": part,
        "lines": lines,
        "figures": [(figure, _files(figure, part.name), alt_of(figure)) for figure in own],
        "executed": part.executed.get(question.name),
        "runs": _runs_page(question, part, rows) if rows else "",
        "made": {
            "runs": len(rows),
            "seeds": len({row["run"]["seed"] for row in rows}),
            "documents": max((row["documents"]["test"] for row in rows), default=0),
            "minutes": sum(cores_of(row) * row["seconds"]["all"] for row in rows) / 60,
        },
    }


def _files(figure, profile):
    """The address of a figure in the site, and of the files of its numbers and pictures."""
    picture = Path(_published(figure.place, f"{profile}/figures"))
    endings = (".svg", ".png", ".csv", *figures.TABLES)
    return [path.as_posix() for ending in endings if (site() / (path := picture.with_suffix(ending))).is_file()]


def _runs_page(question, part, rows):
    """Write the runs behind the figures of a question, as a page and as CSV. Gives the page's address."""
    table, name = provenance(rows), f"runs/{part.name}-{question.name}"
    write_text(site() / f"{name}.csv", table.to_csv(index=False))
    lines = table.head(MOST_LINES).to_dict("records")
    options = {"question": question, "part": part, "lines": lines, "columns": list(table), "most": len(table)}
    _write(f"{name}.html", "runs.html", csv=f"{Path(name).name}.csv", **options)
    return f"{name}.html"


def _noise():
    """How much of the paper's own tables is beyond chance: a dict per table with the differences and those beyond."""
    floor = claims.noise_floor()
    write_text(reports() / "noise_floor.csv", floor.to_csv(index=False, float_format="%.4f"))
    shutil.copyfile(reports() / "noise_floor.csv", site() / "noise_floor.csv")
    counted = floor.groupby("table")["excludes_zero"].agg(["size", "sum"])
    return [{"table": name, "differences": size, "beyond": beyond} for name, size, beyond in counted.itertuples()]
