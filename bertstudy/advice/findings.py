"""What the functions of `advice` give: words to read, a table, and the numbers behind them."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Finding:
    """What was found, in words and as a table (either may be empty); `values` has the numbers for a script."""

    words: str = ""
    table: pd.DataFrame | None = None
    values: dict[str, Any] = field(default_factory=dict)
