"""What reports say of stored rows, in words and numbers: reports/README.md and the site take it from here."""

import json
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from .. import experiments as figures
from ..analysis import claims
from ..analysis.claims import interval, number
from ..analysis.deciding import p_shown
from ..analysis.drawing import result_of
from ..paths import reports
from ..results.rows import Store
from ..results.rows import rows as stored_rows
from .verdicts import DECIDED, of_recipe

PROFILES = ("paper", "compact", "control")  # real text first
VERDICTS = (*DECIDED, "inconclusive", "not run")
EARLIER = "of an earlier recipe: no claim rests on them, and other figures can't be compared with them."
TOLD = 2  # findings that the answer tells of each kind


class Shown(NamedTuple):
    """A committed figure: its name, notebook, path without an ending, what it shows, its numbers in a sentence, and a
    remark on its rows; ids: of the rows that are there, kind: "rows" or "corpora"."""

    name: str
    notebook: str
    place: Path
    shows: str
    result: str
    remark: str
    ids: list[str]
    kind: str


def shown_figures(profile: str) -> list[Shown]:
    """The committed figures of a profile, in the order of their names."""
    places = sorted((reports() / profile / "figures").glob("*.json"))
    return [_shown(profile, place, json.loads(place.read_text(encoding="utf-8"))) for place in places]


def _shown(profile, place, recipe):
    draw = figures.FIGURES[recipe["figure"]]
    store = Store.of(profile, draw.kind)
    ids = [row_id for row_id in recipe["rows"] if row_id in store]
    rows, remark = stored_rows(profile, ids, draw.kind), ""
    if missing := len(recipe["rows"]) - len(ids):
        remark = f"Incomplete: {missing} of {len(recipe['rows'])} runs are missing."
    if draw.kind == "rows" and (earlier := len(rows) - len(of_recipe(rows, profile))):
        which = "All" if earlier == len(rows) else "Some"
        remark = f"{remark} {which} of these runs are {EARLIER}".strip()
    if draw.kind == "rows" and (old := (rows["stale"] != "").sum()):
        remark = f"{remark} Stale: {old} of {len(rows)} runs were made by earlier code.".strip()
    result, path = result_of(place.stem, draw.data(rows)), place.with_suffix("")
    return Shown(place.stem, recipe["notebook"], path, figures.shows(place.stem), result, remark, ids, draw.kind)


def alt_of(figure: Shown) -> str:
    """What a figure shows and its result, for who does not see it."""
    return f"{figure.shows} {figure.result}".strip()


def finding(claim: dict[str, Any]) -> str:
    """A claim's statement, with the effect of each of several contrasts or the values of the fields it is about."""
    return f"{claim['statement']} ({claim['detail']})" if claim["detail"] else claim["statement"]


def counted(table: pd.DataFrame) -> str:
    """In a sentence, how many of the claims of a table (`verdicts.verdicts`) have which verdict."""
    counts = table["verdict"].value_counts()
    told = [f"{verdict} {counts[verdict]}" for verdict in VERDICTS if verdict in counts]
    decided = table["verdict"].isin(DECIDED).sum()
    return f"{decided} of {len(table)} findings are decided on these texts: {', '.join(told)}."


def answer(table: pd.DataFrame) -> list[str]:
    """What is known of the claims of a table in a few sentences: how many are decided; what holds and what doesn't,
    the largest effects first, with intervals, seeds and documents; and the narrowest of what is open."""
    told = [counted(table)]
    for verdict, begin in (("holds", "It holds"), ("doesn't hold", "It doesn't hold")):
        found = table[table["verdict"] == verdict].sort_values("effect", key=abs, ascending=False)
        told += [f"{begin}: {_in_words(line)}" for line in found.head(TOLD).to_dict("records")]
    still = table[(table["verdict"] == "inconclusive") & (table["seeds"] >= claims.SEEDS)]
    if len(still):
        line = still.loc[(still["high"] - still["low"]).idxmin()].to_dict()
        told.append(f"Still open, with the narrowest interval: {_in_words(line)}")
    return told


def _in_words(claim):
    """A claim with its numbers, in a sentence."""
    points, evidence = interval(claim), f"{claim['seeds']:.0f} seeds, {claim['documents']:,.0f} test documents"
    return f"{claim['statement'].rstrip('.')} ({points} points; {evidence})."


def verdict_line(claim: dict[str, Any]) -> str:
    """A claim in a line: its verdict, effect in points with interval, adjusted p, evidence, the paper's effect, and
    what would decide it."""
    told = [f"{claim['claim']}: {claim['verdict']}"]
    if effect := interval(claim):
        p, paper = p_shown(claim["p"]), number(claim["paper"])
        evidence = [f"{claim['seeds']:.0f} seeds", f"{claim['labels']:,.0f} labels"]
        evidence.append(f"{claim['documents']:,.0f} test documents")
        parts = (f"{effect} points", p and f"p {p}", *evidence, paper and f"paper {paper}")
        said = ", ".join(part for part in parts if part)
        told.append(f"{said} ({claim['detail']})" if claim["detail"] else said)
    return ". ".join([*told, claim["needs"]]).rstrip(". ")


def markdown_figure(figure: Shown, profile: str) -> list[str]:
    """A figure and its caption, in Markdown, as reports/README.md has them."""
    alt = escape(alt_of(figure), quote=False)
    caption = escape(figure.result, quote=False) or figure.shows
    return [f"![{alt}]({profile}/figures/{figure.name}.svg)", f"{caption} {figure.remark}".strip()]
