"""The report's first page: what has been run, in which profile, and the figures of each notebook."""

import base64
import json
import re
from html import unescape

from jinja2 import Environment, PackageLoader, select_autoescape

from . import store
from .config import SHOWS
from .paths import REPORTS

TITLE = re.compile(r"<title>(.*?)</title>", re.S)


def _figure(recipe):
    """A figure's name, its picture as a data URI, and what is written beside it."""
    picture = base64.b64encode(recipe.with_suffix(".svg").read_bytes()).decode()
    made = [one.name for one in (recipe.with_suffix(end) for end in (".svg", ".png", ".csv")) if one.is_file()]
    return {"name": recipe.stem.replace("_", " "), "picture": f"data:image/svg+xml;base64,{picture}", "files": made}


def _card(page, recipes):
    title = TITLE.search(page.read_text(encoding="utf-8"))
    return {
        "title": unescape(title[1]) if title else page.stem,
        "page": f"{page.parent.name}/{page.name}",
        "figures": [_figure(path) for path, recipe in recipes.items() if recipe["notebook"] == page.stem],
    }


def _section(profile, shows):
    """A profile's part of the index; None where it has neither rows nor pages."""
    table, place = store.rows(profile), REPORTS / profile
    recipes = {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(place.glob("figures/*.json"))}
    pages = sorted(place.glob("[0-9][0-9]_*.html"))
    if table.empty and not pages:
        return None
    told = {page.stem for page in pages}
    return {
        "name": profile,
        "shows": shows,
        "runs": len(table),
        "newest": "" if table.empty else max(table["made"])[:10],
        "cards": [_card(page, recipes) for page in pages],
        "loose": [_figure(path) for path, recipe in recipes.items() if recipe["notebook"] not in told],
    }


def index():
    """Write reports/index.html from the pages, figures and rows that are there. Gives its path."""
    environment = Environment(loader=PackageLoader(__package__, "page"), autoescape=select_autoescape(["html", "j2"]))
    sections = [section for one in SHOWS.items() if one[0] != "smoke" and (section := _section(*one))]
    page = REPORTS / "index.html"
    page.write_text(environment.get_template("report.html.j2").render(sections=sections) + "\n", encoding="utf-8")
    return page
