"""What a profile's rows say of the claims; needs no torch."""

import pandas as pd

from .. import experiments
from ..analysis.deciding import judged
from ..profiles import profile as find_profile
from ..results.rows import rows as stored_rows
from ..runs import NO_ENCODER

DECIDED = ("holds", "doesn't hold")


def of_recipe(rows: pd.DataFrame, profile: str) -> pd.DataFrame:
    """The rows of the profile's recipe of today, whose window or way to read pieces they have, and those of words."""
    base = find_profile(profile).base
    is_read_so = (rows["window"] == base.window) | (rows["piece_pooling"] == base.piece_pooling)
    return rows[is_read_so | (rows["encoder"] == NO_ENCODER)]


def verdicts(profile: str) -> pd.DataFrame:
    """All claims judged by the stored rows of a profile that are not stale: the table of `deciding.judged`."""
    rows = of_recipe(stored_rows(profile), profile)
    return judged(rows[rows["stale"] == ""], experiments.all_claims(), experiments.planned(profile))
