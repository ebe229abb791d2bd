"""What all figures share: the registry, intervals over seeds, names, and how a figure is written."""

import inspect
import math
from collections.abc import Callable
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from tabulate import tabulate

from .. import stats

STYLE = Path(__file__).with_name("figures.mplstyle")
FIGURES = {}


def figure(data: Callable[[pd.DataFrame], pd.DataFrame], kind: str = "rows") -> Callable:
    """Register a figure: draw(rows) gives a matplotlib figure, and `data(rows)` the numbers in it as a table.

    kind: what it is drawn from, "rows" of runs or surveys of "corpora" (see `store.rows`).
    """

    def register(draw):
        FIGURES[draw.__name__], draw.data, draw.kind = draw, data, kind
        return draw

    return register


def shows(name: str) -> str:
    """What a registered figure shows, in a sentence, for those who don't see it; of any other the name."""
    sentence = inspect.getdoc(FIGURES[name]).split("\n\n")[0] if name in FIGURES else name.replace("_", " ")
    return " ".join(sentence.split())


def per_point(rows: pd.DataFrame, keys: list[str], pooled: bool = False) -> pd.DataFrame:
    """Mean error with its interval over seeds, a line for each combination of the keys.

    The interval is t's over the seeds of a point, or, pooled, with the variance that all points of the table share:
    for tables of many settings with few seeds each. Where one seed is all there is, it is Wilson's.
    """
    groups = list(rows.groupby(keys, sort=True))
    intervals = (stats.pooled_intervals if pooled else _apart)([group["error"] for _, group in groups])
    lines = []
    for (values, group), (mean, low, high) in zip(groups, intervals, strict=True):
        if math.isnan(low):  # one seed: all that is known is the sampling error of the test set
            n = group["documents"].iloc[0]["test"]
            low, high = stats.wilson(round(mean * n / 100), n)
        lines.append(
            {**dict(zip(keys, values, strict=True)), "seeds": len(group), "error": mean, "low": low, "high": high}
        )
    return pd.DataFrame(lines)


def _apart(groups):
    return [stats.mean_interval(group) for group in groups]


def bars_of(points: pd.DataFrame) -> list[pd.Series]:
    """The two lengths of each point's error bar, below and above it."""
    return [points["error"] - points["low"], points["high"] - points["error"]]


def grid_across(axes: plt.Axes) -> None:
    """Upright grid lines only, for figures whose errors lie along x."""
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")


def span(counts: pd.Series) -> str:
    """How many seeds, in words."""
    low, high = counts.min(), counts.max()
    if low != high:
        return f"{low} to {high} seeds"
    return f"{low} seeds" if low > 1 else "1 seed"


def names(rows: pd.DataFrame) -> str:
    """The corpora of the rows, in words."""
    return ", ".join(Path(name).name for name in sorted(set(rows["corpus"])))


def incomplete(chart: plt.Figure, missing: list[str]) -> plt.Figure:
    """Mark a figure whose plan has runs without rows, and say which."""
    chart.suptitle(
        f"INCOMPLETE: {len(missing)} runs missing ({'; '.join([*missing[:3], *(['…'] if missing[3:] else [])])})",
        color="#b00020",
        fontsize=9,
    )
    return chart


# Columns of a figure's numbers that say how a point came out, not which one it is.
NUMBERS = ("seeds", "error", "low", "high", "planted", "paper", "documents", "minutes", "documents_per_second", "steps")
TABLES = {".md": "github", ".tex": "latex_booktabs"}  # endings, and what tabulate calls these formats


def save(chart: plt.Figure, data: pd.DataFrame, place: Path | str, built: Path | str | None = None) -> None:
    """Write a figure as SVG and its numbers as CSV at `place`; as PNG, Markdown and LaTeX at `built` (None: beside).

    The same rows give the same bytes.
    """
    place, built = Path(place), Path(built or place)
    for path in (place, built):
        path.parent.mkdir(parents=True, exist_ok=True)
    with plt.style.context(STYLE):
        chart.savefig(place.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
        chart.savefig(built.with_suffix(".png"), metadata={"Software": None})
    data.to_csv(place.with_suffix(".csv"), index=False, float_format="%.4f")
    for ending, kind in TABLES.items():
        built.with_suffix(ending).write_text(_table(data, kind), encoding="utf-8")


def _table(data, kind):
    cells = data.astype(object).where(data.notna(), None)
    if kind == "github":  # which reads markup in a cell, and a pipe as its end
        cells = cells.map(lambda cell: escape(cell, quote=False).replace("|", "\\|") if isinstance(cell, str) else cell)
    return tabulate(cells, headers="keys", tablefmt=kind, floatfmt=".5g", showindex=False) + "\n"


def result_of(data: pd.DataFrame) -> str:
    """The lowest and the highest error in the numbers of a figure, with intervals, in a sentence; "" without errors."""
    if not {"error", "low", "high"} <= set(data) or data["error"].isna().all():
        return ""
    names = [name for name in data if data[name].nunique() > 1 and name not in NUMBERS]

    def told(line):
        where = ", ".join(f"{line[name]:g}" if isinstance(line[name], float) else str(line[name]) for name in names)
        return f"{where or 'all'}: {line['error']:.1f} % [{line['low']:.1f}, {line['high']:.1f}]"

    ordered = data.dropna(subset=["error"]).sort_values("error", kind="stable")
    first, last = ordered.iloc[0], ordered.iloc[-1]
    if len(ordered) == 1:
        return f"{told(first)}."
    return f"Lowest error: {told(first)}. Highest: {told(last)}."
