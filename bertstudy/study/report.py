"""The report: its pages, and their index, which says what has been run and which findings hold."""

import base64
import json
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape
from joblib import cpu_count, delayed, parallel_config

from .. import experiments as figures
from ..analysis import claims
from ..paths import notebooks, reports, runs, site
from ..profiles import SHOWS
from ..profiles import profile as find_profile
from ..results.rows import Store
from ..results.rows import rows as stored_rows
from ..results.tables import provenance
from ..whole import check_writable, write_text
from .pages import execute, notebook_path
from .verdicts import verdicts

TITLE = re.compile(r"<title>(.*?)</title>", re.S)


def make(
    names: list[str], profile: str = "auto", stored: bool = False, remake: str = ""
) -> Iterator[tuple[Path, float]]:
    """Execute notebooks (all where no names are given) and render their pages; yields (page, seconds) as each is done.

    Where the profile's encoder is small, as many run side by side as there are cores, so that no core waits while a
    notebook works between its runs; of two that need the same encoder or row, one makes it. With `stored` nothing is
    run (`pages.execute`), and the notebook on a reader's own data, which has no stored rows, is left out.
    """
    from ..results.workers import is_small, processes  # here, since the index is written without torch

    every = sorted(path.stem for path in notebooks().glob("*.ipynb"))
    names = [notebook_path(name).stem for name in names] or [
        name for name in every if not (stored and name == OWN_DATA)
    ]
    chosen = find_profile(profile)
    check_writable(reports(), runs())
    abreast = min(len(names), cpu_count()) if is_small(chosen.base) else 1
    cores = cpu_count() // abreast
    with parallel_config(backend="loky", inner_max_num_threads=cores):
        yield from processes(abreast)(
            delayed(_execute)(name, cores, stored, remake, profile=chosen.name) for name in names
        )


def _execute(name, cores, stored, remake, **parameters):
    os.environ["LOKY_MAX_CPU_COUNT"] = str(cores)  # the kernel's processes for runs (`workers.how_many`)
    return execute(name, stored, remake, **parameters)


def _figure(place):
    """A figure's name, what it shows, its picture as a data URI, its files, and where the runs behind it are listed."""
    picture = base64.b64encode(place.with_suffix(".svg").read_bytes()).decode()
    built = site() / place.relative_to(reports())
    files = [place.with_suffix(".svg"), built.with_suffix(".png"), place.with_suffix(".csv")]
    files += map(built.with_suffix, figures.TABLES)
    return {
        "name": place.stem.replace("_", " "),
        "shows": figures.shows(place.stem),
        "picture": f"data:image/svg+xml;base64,{picture}",
        "files": [Path(os.path.relpath(path, site())) for path in files if path.is_file()],
        "runs": f"{place.parent.parent.name}/runs.html#{place.stem}" if place.parent.name == "figures" else "",
    }


def _runs(recipe, profile):
    """The rows, or surveys, that a figure is drawn from, as a table to read."""
    kind = figures.FIGURES[recipe["figure"]].kind if recipe["figure"] in figures.FIGURES else "rows"
    store = Store.of(profile, kind)
    ids = [row_id for row_id in recipe["rows"] if row_id in store]
    if not ids:
        return pd.DataFrame(columns=["id"])
    if kind != "rows":
        return stored_rows(profile, ids, kind)[["id", "corpus", "train", "test"]]
    return provenance(profile, ids)


def _runs_page(profile, recipes):
    """Write the page of every run behind every figure."""
    tables = [(path.stem, recipe["notebook"], _runs(recipe, profile)) for path, recipe in recipes.items()]
    page = _environment().get_template("runs.html.j2").render(profile=profile, tables=tables)
    write_text(site() / profile / "runs.html", page + "\n")


def _environment():
    return Environment(loader=PackageLoader(__package__, "page"), autoescape=select_autoescape(["html", "j2"]))


def _card(page, recipes):
    title = TITLE.search(page.read_text(encoding="utf-8"))
    return {
        "title": unescape(title[1]) if title else page.stem,
        "page": f"{page.parent.name}/{page.name}",
        "figures": [_figure(path) for path, recipe in recipes.items() if recipe["notebook"] == page.stem],
    }


OWN_DATA = "10_your_data"
SIGNS = {"holds": "✓", "doesn't hold": "✗", "inconclusive": "?", "not run": "–"}


def _number(value):
    return "" if pd.isna(value) else f"{value:+.2f}".replace("-", "−")


def _claims(profile):
    """The claims judged by a profile's rows, as the index shows them; writes their table and figure to the report."""
    table, place = verdicts(profile), reports() / profile / "claims"
    chart = figures.claims(table)
    figures.save(chart, table, place, site() / profile / "claims")
    plt.close(chart)
    lines = []
    for line in table.to_dict("records"):
        numbers = {name: _number(line[name]) for name in ("effect", "low", "high", "paper", "least")}
        seeds = "" if pd.isna(line["seeds"]) else f"{line['seeds']:.0f}"
        shown = {"seeds": seeds, "p": claims.p_shown(line["p"]), "sign": SIGNS[line["verdict"]]}
        lines.append({**line, **numbers, **shown})
    planted = table[table["planted"] != ""]
    confirmed = int((planted["verdict"] == "holds").sum())
    return {"lines": lines, "figure": _figure(place), "planted": len(planted), "found": confirmed}


def _section(profile, shows):
    """A profile's part of the index; None where it has neither rows nor pages."""
    table, place = stored_rows(profile), reports() / profile
    recipes = {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(place.glob("figures/*.json"))}
    pages = sorted((site() / profile).glob("[0-9][0-9]_*.html"))
    if table.empty and not pages:
        return None
    stems = {page.stem for page in pages}
    _runs_page(profile, recipes)
    return {
        "name": profile,
        "shows": shows,
        "runs": len(table),
        "newest": "" if table.empty else max(table["made"])[:10],
        "claims": None if table.empty else _claims(profile),
        "cards": [_card(page, recipes) for page in pages],
        "loose": [_figure(path) for path, recipe in recipes.items() if recipe["notebook"] not in stems],
    }


def _noise():
    """How much of the paper's own tables is beyond chance: a dict per table with the differences and those beyond."""
    floor = claims.noise_floor()
    write_text(reports() / "noise_floor.csv", floor.to_csv(index=False, float_format="%.4f"))
    counted = floor.groupby("table")["excludes_zero"].agg(["size", "sum"])
    return [{"table": name, "differences": size, "beyond": beyond} for name, size, beyond in counted.itertuples()]


def index() -> Path:
    """Write reports/site/index.html from the pages, figures and rows that are there. Gives its path."""
    sections = [section for item in SHOWS.items() if item[0] != "smoke" and (section := _section(*item))]
    html = _environment().get_template("report.html.j2").render(sections=sections, noise=_noise())
    return write_text(site() / "index.html", html + "\n")
