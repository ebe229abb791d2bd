"""reports/README.md: what the study shows, for those who read its code on a hosting site, without a build."""

import json
from html import escape
from pathlib import Path

import pandas as pd

from .. import experiments as figures
from ..analysis import claims
from ..analysis.drawing import result_of
from ..paths import reports
from ..profiles import SHOWS
from ..results.rows import Store
from ..results.rows import rows as stored_rows
from ..whole import write_text
from .verdicts import DECIDED, of_recipe, verdicts

COUNTED = {
    "holds": "hold",
    "doesn't hold": "don't",
    "inconclusive": "can't be told yet",
    "not run": "were not run (`bertstudy next` tells what they would take)",
}
PROFILES = ("paper", "compact", "control")  # real text first


def write() -> Path:
    """Write reports/README.md from the stored rows and figures. Gives its path. The same rows give the same bytes."""
    parts = [HEAD]
    for profile in PROFILES:
        table = stored_rows(profile)
        if len(table):
            parts += [
                f"## Profile {profile}: {len(table)} runs",
                SHOWS[profile],
                *_claims(profile),
                *_questions(profile),
            ]
    return write_text(reports() / "README.md", "\n\n".join(parts) + "\n")


HEAD = """# What the study shows

How should a BERT be fine-tuned for text classification? The experiments of Sun et al. (2019) were run again; below are,
for each profile (a scale to run them at), which of the paper's findings hold, and every question with its figures.

Effects are differences in test error, in points, positive in the direction that the finding is about, with 95 %
intervals over seeds and test documents (of one seed: over test documents alone); the paper's are of single runs on
IMDb. A verdict needs three seeds, and p values adjusted over the findings of a notebook (Holm's method): the chance of
any false verdict among them is at most 5 %, a second look with more seeds counted. **inconclusive**: all else. **not
run**: this profile lacks the runs.

`bertstudy report` writes this file from the stored rows; `make report` also builds the pages in `reports/site/`."""


def _number(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _claims(profile: str) -> list[str]:
    """The claims as a table, judged by a profile's rows."""
    table = verdicts(profile)
    lines = ["| finding | verdict | effect | p | paper | seeds | documents |", "|---|---|---:|---:|---:|---:|---:|"]
    for claim in table.to_dict("records"):
        effect = "" if pd.isna(claim["effect"]) else _interval(claim)
        paper = "" if pd.isna(claim["paper"]) else _number(claim["paper"])
        seeds, documents = ("" if pd.isna(claim[name]) else f"{claim[name]:,.0f}" for name in ("seeds", "documents"))
        needs = f"; {claim['needs']}" if claim["needs"] else ""
        finding = f"{claim['statement']} ({claim['section']})"
        p = claims.p_shown(claim["p"])
        lines.append(
            f"| {finding} | **{claim['verdict']}**{needs} | {effect} | {p} | {paper} | {seeds} | {documents} |"
        )
    return ["### Which findings hold", _counted(table), "\n".join(lines)]


def _counted(table):
    """In a sentence, how many claims have which verdict."""
    counts = table["verdict"].value_counts()
    told = [f"{counts[verdict]} {words}" for verdict, words in COUNTED.items() if verdict in counts]
    decided = table["verdict"].isin(DECIDED).sum()
    return f"{decided} of {len(table)} findings are decided on these texts: {', '.join(told)}."


def _interval(claim):
    return f"{_number(claim['effect'])} [{_number(claim['low'])}, {_number(claim['high'])}]"


def _questions(profile: str) -> list[str]:
    """Each question with its figures and a sentence of numbers."""
    recipes = {
        path: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((reports() / profile / "figures").glob("*.json"))
    }
    parts = []
    for experiment in sorted(figures.EXPERIMENTS.values(), key=lambda declared: declared.notebook):
        notebook = experiment.notebook
        own = {path: recipe for path, recipe in recipes.items() if recipe["notebook"] == notebook}
        if own:
            parts.append(f"### {experiment.question}\n\n[{notebook}](../notebooks/{notebook}.ipynb)")
            parts += [part for path, recipe in own.items() for part in _figure(profile, path, recipe)]
    return parts


def _figure(profile, path, recipe):
    draw, store = figures.FIGURES[recipe["figure"]], Store.of(profile, figures.FIGURES[recipe["figure"]].kind)
    there = [row_id for row_id in recipe["rows"] if row_id in store]
    missing = len(recipe["rows"]) - len(there)
    rows = stored_rows(profile, there, draw.kind)
    result = escape(result_of(path.stem, draw.data(rows)), quote=False)
    remark = f" Incomplete: {missing} of {len(recipe['rows'])} runs are missing." if missing else ""
    if draw.kind == "rows" and len(of_recipe(rows, profile)) < len(rows):
        remark += " Some of these runs are of an earlier recipe; no claim rests on them."
    alt = f"{figures.shows(path.stem)} {result}".strip()
    return [f"![{alt}]({profile}/figures/{path.stem}.svg)", f"{result or figures.shows(path.stem)}{remark}"]
