"""What a reader of a notebook sees of a value: tables, figures, remarks."""

import hashlib
import logging
import sys
from collections.abc import Mapping
from functools import partial
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML

SIGNIFICANT = 4  # digits of a number that has decimals
HEADERS = {  # of columns whose own name does not say the unit
    "error": "error (%)",
    "macro_f1": "macro-F1 (%)",
    "precision": "precision (%)",
    "recall": "recall (%)",
    "f1": "F1 (%)",
    "sd": "sd (points)",
    "differ": "differ (% of pairs)",
    "beyond": "beyond (% of pairs)",
}


def draw_as_svg() -> None:
    """Figures that a notebook shows become SVG, the same bytes at every run."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata={"Date": None, "Creator": None})
        plt.rcParams["svg.hashsalt"] = "bertstudy"  # without it, ids within a figure are drawn at random


def shown(value: Any, digits: int = 2, index: bool = False, **formats: str) -> Any:
    """A table to read, or a finding (`words` and a `table`): rounded, blank where a value is missing.

    A mapping is a table of one line, or of a line for each of the mappings in it; a list is a line of text. Markup in
    names shows as text. formats: those of single columns, as in learning_rate="{:g}"; columns that the table does not
    have are passed over. Other numbers have `digits` decimals, and at most SIGNIFICANT digits. A number and the two
    ends of its interval share a column.
    """
    if isinstance(value, Mapping):
        index = any(isinstance(line, Mapping) for line in value.values())
        value = pd.DataFrame.from_dict(value, orient="index") if index else pd.DataFrame([value])
    if isinstance(value, pd.DataFrame):
        return _styled(value, digits, index, formats)
    if isinstance(value, (list, tuple, np.ndarray)):
        return HTML(f"<p>{escape(readable(value, digits))}</p>")
    mark = "pre" if "\n" in value.words else "p"
    words = f"<{mark}>{escape(value.words)}</{mark}>" if value.words else ""
    has_table = value.table is not None and len(value.table)
    return HTML(words + (_styled(value.table, digits, index, formats).to_html() if has_table else ""))


def readable(value: Any, digits: int = 2) -> str:
    """A value of a cell as text: a number with so many decimals, and at most SIGNIFICANT digits; "" where it lacks."""
    if isinstance(value, (list, tuple, range, np.ndarray)):
        return ", ".join(readable(one, digits) for one in value)
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)) and np.isfinite(value):
        before = np.floor(np.log10(abs(value))) + 1 if value else 0
        return f"{value:,.{int(np.clip(SIGNIFICANT - before, 0, digits))}f}"
    return str(value)


def _ends(table):
    """The columns that have an interval, with its two ends: x with x_low and x_high, or the one before low and high."""
    columns = list(table)
    for place, name in enumerate(columns):
        for low, high in ((f"{name}_low", f"{name}_high"), ("low", "high")):
            if columns[place + 1 : place + 3] == [low, high]:
                yield name, low, high


def _joined(value, low, high, form):
    interval = "" if pd.isna(low) or pd.isna(high) else f" ({form(low)} to {form(high)})"
    return "" if pd.isna(value) else form(value) + interval


def with_intervals(table: pd.DataFrame, digits: int, formats: dict[str, str]) -> pd.DataFrame:
    """The table with each interval in the column of its number, as in "12.6 (11.2 to 14.1)"; that column is of text.

    Headers say the unit (HEADERS).
    """
    table = table.copy()
    for name, low, high in list(_ends(table)):
        form = formats[name].format if name in formats else partial(readable, digits=digits)
        rows = table[[name, low, high]].itertuples(index=False)
        joined = [_joined(*row, form) for row in rows]
        place = table.columns.get_loc(name)
        table = table.drop(columns=[name, low, high])
        table.insert(place, f"{HEADERS.get(name, name)}, 95 % interval", joined)
    return table.rename(columns=HEADERS)


def _styled(table, digits, index, formats):
    table = with_intervals(table, digits, formats)
    words = {name: [{"selector": "", "props": "text-align: left"}] for name in table.select_dtypes(exclude="number")}
    uuid = hashlib.sha256(table.to_csv().encode()).hexdigest()[:8]  # pandas would draw one at random
    styled = table.style.set_uuid(uuid)
    styled = styled.format(lambda value: escape(readable(value, digits)))
    for name, form in formats.items():
        if HEADERS.get(name, name) in table:
            styled = styled.format(form, subset=[HEADERS.get(name, name)])
    for axis in (0, 1):
        styled = styled.format_index(escape="html", axis=axis)
    return (styled if index else styled.hide(axis="index")).set_table_styles(words)


class _Remarks(logging.Handler):
    """Writes remarks where prints go, so that they stand below the cell that caused them."""

    def emit(self, record):
        sys.stdout.write(f"{self.format(record)}\n")
        sys.stdout.flush()


def show_remarks() -> None:
    """In a notebook, show what the package remarks by logging; in a script that is for the script to say."""
    logger = logging.getLogger("bertstudy")
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() and not logger.handlers:
        logger.addHandler(_Remarks())
        logger.setLevel(logging.INFO)
        logger.propagate = False
