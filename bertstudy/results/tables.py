"""Plans and rows as tables to read. Needs no torch."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd

from ..registry import unique
from ..runs import DEFAULTS, Run, unused_fields
from .rows import stale_stages


def describe(plan: Iterable[Run]) -> pd.DataFrame:
    """A plan as a table: a line for runs that differ only in the seed, a column for each field with several values.

    Column "seeds" counts the runs of a line, each once. A field is blank where it has no effect in a run.
    """
    counted = Counter(replace(run, seed=0) for run in unique(plan))
    return _varied(counted).assign(seeds=list(counted.values()))


def provenance(rows: list[dict]) -> pd.DataFrame:
    """Rows, as they are stored, as a table: id, the fields in which their runs differ, error, documents, made, stale.

    error is in percent, of as many test documents; made is a date; stale names the stages by which a row is stale.
    """
    table = _varied(SimpleNamespace(**DEFAULTS | row["run"]) for row in rows)
    table.insert(0, "id", [row["id"] for row in rows])
    return table.assign(
        error=[row["error"] for row in rows],
        documents=[row["documents"]["test"] for row in rows],
        made=[row["made"][:10] for row in rows],
        stale=[", ".join(stale_stages(row)) for row in rows],
    )


def _varied(plan: Iterable) -> pd.DataFrame:
    """The fields in which runs differ, a line each, blank where a field has no effect."""
    lines = [{name: getattr(run, name) for name in DEFAULTS if name not in unused_fields(run)} for run in plan]
    table = pd.DataFrame(lines)
    differ = table[[name for name in table if table[name].nunique() > 1]].astype(object)
    return differ.map(lambda value: f"{value:.4g}" if isinstance(value, float) else value).where(differ.notna(), "")
