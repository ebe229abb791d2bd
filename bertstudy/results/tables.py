"""Plans and rows as tables to read. Needs no torch."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd

from ..runs import DEFAULTS, Run, unused_fields
from .rows import Store, stale_stages


def describe(plan: Iterable[Run]) -> pd.DataFrame:
    """A plan as a table: what all its runs share is left out, runs that differ in the seed alone are counted.

    A field is blank in runs where it has no effect, and left out where all others share it.
    """
    counted = Counter(replace(one, seed=0) for one in plan)
    return _varied(counted).assign(seeds=list(counted.values()))


def provenance(profile: str | Store, ids: Iterable[str]) -> pd.DataFrame:
    """Stored rows as a table to read: id, the fields in which their runs differ, error, test documents, made, stale."""
    found = list(Store.of(profile).all(ids))
    table = _varied(SimpleNamespace(**DEFAULTS | row["run"]) for row in found)
    table.insert(0, "id", [row["id"] for row in found])
    return table.assign(
        error=[row["error"] for row in found],
        documents=[row["documents"]["test"] for row in found],
        made=[row["made"][:10] for row in found],
        stale=[", ".join(stale_stages(row)) for row in found],
    )


def _varied(plan: Iterable) -> pd.DataFrame:
    """The fields in which runs differ, a line each, blank where a field has no effect."""
    lines = [{name: getattr(one, name) for name in DEFAULTS if name not in unused_fields(one)} for one in plan]
    table = pd.DataFrame(lines)
    differ = table[[name for name in table if table[name].nunique() > 1]].astype(object)
    return differ.map(lambda value: f"{value:g}" if isinstance(value, float) else value).where(differ.notna(), "")
