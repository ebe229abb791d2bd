"""From notebooks to pages: execution by papermill, HTML without scripts or requests, figures redrawn from rows."""

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import papermill
from nbconvert import HTMLExporter

from .. import experiments as figures
from ..advice import figures as own_figures  # noqa: F401 - registers the figures of a reader's own data
from ..paths import notebooks, reports, runs, shown, site
from ..profiles import profile as find_profile
from ..registry import no_such
from ..results.rows import Store, rows
from ..whole import write_text
from .modes import PUBLISHING, REMAKE, STORED


def notebook_path(name: str) -> Path:
    """The notebook of this name, "05_fewshot" or only "05". Raises ValueError where there is none or more than one."""
    paths = [
        path for path in sorted(notebooks().glob("*.ipynb")) if path.stem == name or path.stem.split("_")[0] == name
    ]
    if len(paths) != 1:
        raise no_such("notebook", name, [path.stem for path in sorted(notebooks().glob("*.ipynb"))])
    return paths[0]


def execute(name: str, stored: bool = False, remake: str = "", **parameters: Any) -> tuple[Path, float]:
    """Run a notebook by papermill with these parameters, write its figures to the report, and render its page.

    With `stored` nothing is run: a figure whose runs are not all stored is marked INCOMPLETE. With remake="stale" stale
    rows are made again. Gives (page, seconds). The executed copy is in runs/executed/<profile>/; the page is
    reports/site/<profile>/<notebook>.html. Raises ValueError, in a line, for a notebook whose cells fail.
    """
    source, begin = notebook_path(name), time.perf_counter()
    profile = find_profile(parameters.get("profile", "auto")).name
    executed = runs() / "executed" / profile / source.name
    executed.parent.mkdir(parents=True, exist_ok=True)
    environment = {PUBLISHING: source.stem, **({STORED: "1"} if stored else {}), **({REMAKE: remake} if remake else {})}
    os.environ.update(environment)
    try:
        papermill.execute_notebook(
            source,
            executed,
            {**parameters, "profile": profile},
            progress_bar=False,
            log_output=False,
            extra_arguments=["--IPKernelApp.log_level=50"],  # a kernel's own warnings have nothing to do with the study
        )
    except papermill.PapermillExecutionError as error:
        place = f"The cells up to it, with the traceback, are in {shown(executed)}."
        raise ValueError(f"{source.stem}: {error.ename}: {error.evalue} {place}") from error
    finally:
        for variable in environment:
            del os.environ[variable]
    return render(executed, site() / profile / f"{source.stem}.html"), time.perf_counter() - begin


def render(executed: Path, page: Path) -> Path:
    """Write an executed notebook as one self-contained HTML page, `page`: no scripts, no requests, code folded."""
    notebook = nbformat.read(executed, as_version=4)
    exporter = HTMLExporter(
        template_name="page",
        extra_template_basedirs=[str(Path(__file__).parent)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        filters={"shows": _shows, "headed": _headed},
    )
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    for number, cell in enumerate(notebook.cells):  # the id of papermill's own cell is random
        cell["id"] = f"cell-{number}"
    html, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    return write_text(page, html)


def _headed(table):
    """The HTML of a table whose empty corner is no header, which readers of screens would announce."""
    return re.sub(r"<th class=\"blank[^>]*>&nbsp;</th>", "<td></td>", table)


def _shows(source):
    """What the figure of a cell with this source shows, in a sentence."""
    match = re.search(r"(?:figure|draw)\(\"(\w+)\"", source)
    return figures.shows(match[1] if match else "figure")


def redraw() -> list[Path]:
    """Draw every committed figure again from its rows, without torch or corpora. Gives the paths of the SVG files."""
    drawn = []
    for recipe in sorted(reports().glob("*/figures/*.json")):
        content, profile = json.loads(recipe.read_text(encoding="utf-8")), recipe.parts[-3]
        kind = figures.FIGURES[content["figure"]].kind
        store = Store.of(profile, kind)
        present = [row_id for row_id in content["rows"] if row_id in store]
        table = rows(profile, present, kind)
        chart = figures.FIGURES[content["figure"]](table)
        if len(present) < len(content["rows"]):
            figures.incomplete(chart, len(set(content["rows"]) - set(present)))
        built = site() / profile / "figures" / recipe.stem
        figures.save(chart, figures.FIGURES[content["figure"]].data(table), recipe.with_suffix(""), built)
        plt.close(chart)
        drawn.append(recipe.with_suffix(".svg"))
    return drawn
