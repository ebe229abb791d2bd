"""What all figures share: the registry, intervals over seeds, names, and how a figure is written."""

import inspect
import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from tabulate import tabulate

from .. import stats
from ..registry import no_such
from ..whole import whole_file, write_text

STYLE = Path(__file__).with_name("figures.mplstyle")
FIGURES = {}


class Told(NamedTuple):
    """How a figure's numbers are put into a sentence: the name of a point, which column, what it is, its unit."""

    point: str  # a template of columns, such as "{arm}, {labelled} labels"
    value: str  # "" where the extremes of no number say anything
    what: str
    unit: str


def figure(
    data: Callable[[pd.DataFrame], pd.DataFrame],
    point: str = "",
    value: str = "error",
    what: str = "",
    unit: str = "%",
    kind: str = "rows",
) -> Callable:
    """Register a figure: the decorated draw(rows) gives a matplotlib figure, `data(rows)` the numbers in it as a table.

    point, value, what, unit: see `Told`; `what` is the column `value` itself where it is not given. kind: what it is
    drawn from, "rows" of runs or surveys of "corpora" (see `results.rows.rows`).
    """

    def register(draw):
        FIGURES[draw.__name__], draw.data, draw.kind = draw, data, kind
        draw.told = Told(point, value, what or value, unit)
        return draw

    return register


def shows(name: str) -> str:
    """What a registered figure shows, in a sentence, for readers who don't see it; its name if it is not registered."""
    sentence = inspect.getdoc(FIGURES[name]).split("\n\n")[0] if name in FIGURES else name.replace("_", " ")
    return " ".join(sentence.split())


def per_point(rows: pd.DataFrame, keys: list[str], pooled: bool = False) -> pd.DataFrame:
    """Mean error with its 95 % interval over seeds: a table of the keys, seeds, error, low, high (percent).

    One line per combination of the keys' values. The interval is a t interval over the seeds of a point, or, pooled,
    one with the variance that all points share, for tables of many settings with few seeds each. Where there is one
    seed only, it is Wilson's over the test documents.
    """
    groups = list(rows.groupby(keys, sort=True))
    intervals = (stats.pooled_intervals if pooled else _apart)([group["error"] for _, group in groups])
    lines = []
    for (values, group), (mean, low, high) in zip(groups, intervals, strict=True):
        if math.isnan(low):  # one seed: all that is known is the sampling error of the test set
            n = group["documents"].iloc[0]["test"]
            low, high = stats.wilson(round(mean * n / 100), n)
        line = {**dict(zip(keys, values, strict=True)), "seeds": len(group), "error": mean}
        lines.append({**line, "low": max(0.0, low), "high": min(100.0, high)})
    return pd.DataFrame(lines)


def _apart(groups):
    return [stats.mean_interval(group) for group in groups]


def bars_of(points: pd.DataFrame) -> list[pd.Series]:
    """The two lengths of each point's error bar, below and above it."""
    return [points["error"] - points["low"], points["high"] - points["error"]]


def grid_across(axes: plt.Axes) -> None:
    """Vertical grid lines only, for figures with the error on the x axis."""
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")


def effects_across(axes: plt.Axes, low: float, high: float, linear: float, ticks: Sequence[float]) -> None:
    """An x axis for effects, small ones beside large ones: zero marked, linear within ±linear and logarithmic beyond.

    low, high: what has to fit. ticks: those are shown that do.
    """
    grid_across(axes)
    axes.axvline(0, color="#888888", linewidth=1)
    axes.set_xscale("symlog", linthresh=linear)
    axes.set_xlim(1.3 * low, 1.3 * high)
    shown = [tick for tick in ticks if 1.3 * low <= tick <= 1.3 * high]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()


def span(counts: pd.Series) -> str:
    """The range of some numbers of seeds, in words: "3 seeds", "2 to 5 seeds"."""
    low, high = counts.min(), counts.max()
    if low != high:
        return f"{low} to {high} seeds"
    return f"{low} seeds" if low > 1 else "1 seed"


def names(rows: pd.DataFrame) -> str:
    """The corpora of the rows, in words."""
    return ", ".join(Path(name).name for name in sorted(set(rows["corpus"])))


def incomplete(chart: plt.Figure, missing: int) -> plt.Figure:
    """Mark a figure whose plan has so many runs without rows."""
    chart.suptitle(f"INCOMPLETE: {missing} run{'s' * (missing != 1)} missing", color="#b00020", fontsize=9)
    return chart


PICTURES = {  # by ending: what the same figure is written with as the same bytes
    ".svg": {"format": "svg", "metadata": {"Date": None, "Creator": None}},
    ".png": {"format": "png", "metadata": {"Software": None}},
}
TABLES = {".md": "github", ".tex": "latex_booktabs"}  # endings, and what tabulate calls these formats


def save(chart: plt.Figure, data: pd.DataFrame, place: Path | str, built: Path | str | None = None) -> None:
    """Write a figure as SVG and its numbers as CSV at `place`; as PNG, Markdown and LaTeX at `built` (None: beside).

    The same rows give the same bytes.
    """
    place, built = Path(place), Path(built or place)
    with plt.style.context(STYLE):
        write_picture(chart, place.with_suffix(".svg"))
        write_picture(chart, built.with_suffix(".png"))
    write_text(place.with_suffix(".csv"), data.to_csv(index=False, float_format="%.6g"))
    for ending, kind in TABLES.items():
        write_text(built.with_suffix(ending), _table(data, kind))


def write_picture(chart: plt.Figure, path: Path | str) -> None:
    """Write a figure whole, by the ending of its path as SVG or PNG. Raises ValueError for another ending."""
    if (ending := Path(path).suffix) not in PICTURES:
        raise no_such("ending of a picture", ending, PICTURES)
    with whole_file(path) as part:
        chart.savefig(part, **PICTURES[ending])


def _table(data, kind):
    cells = data.astype(object).where(data.notna(), None)
    if kind == "github":  # which reads markup in a cell, and a pipe as its end
        cells = cells.map(lambda cell: escape(cell, quote=False).replace("|", "\\|") if isinstance(cell, str) else cell)
    return tabulate(cells, headers="keys", tablefmt=kind, floatfmt=".5g", showindex=False) + "\n"


def result_of(name: str, data: pd.DataFrame) -> str:
    """The lowest and the highest number of a registered figure in a sentence, with their intervals; "" without any."""
    point, value, what, unit = FIGURES[name].told
    if not value:
        return ""
    ordered = data.dropna(subset=[value]).sort_values(value, kind="stable").to_dict("records")
    if not ordered:
        return ""

    most = max(line.get("seeds", 0) for line in ordered)
    own = f"{value}_" if f"{value}_low" in data else ""  # beside an interval of the mean error

    def told(line):
        low, high = (line.get(f"{own}{bound}", math.nan) for bound in ("low", "high"))
        style = ".1f" if unit == "%" or not own else ".3g"
        interval = "" if math.isnan(low) else f" [{low:{style}}, {high:{style}}]"
        number = f"{line[value]:.1f}" if unit == "%" else f"{line[value]:.3g}"
        alone = " (one seed)" if line.get("seeds") == 1 < most else ""
        if "corpus" in line:  # a reader's own is a path
            line = {**line, "corpus": Path(line["corpus"]).name}
        return f"{point.format(**line)}: {number}{f' {unit}'.rstrip()}{interval}{alone}"

    if len(ordered) > 1 and ordered[0][value] == ordered[-1][value]:
        alike = told(ordered[0]).rpartition(": ")[2].partition(" [")[0]
        return f"{what.capitalize()} of all {len(ordered)}: {alike}."
    if len(ordered) == 1:
        return f"{what.capitalize()} of {told(ordered[0])}."
    return f"Lowest {what}: {told(ordered[0])}. Highest: {told(ordered[-1])}."
