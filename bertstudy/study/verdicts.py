"""What a profile's rows say of the claims; needs no torch."""

import pandas as pd

from .. import experiments
from ..analysis import claims
from ..profiles import profile as find_profile
from ..results.rows import rows as stored_rows
from ..runs import NO_ENCODER

DECIDED = ("holds", "doesn't hold")


def of_recipe(rows: pd.DataFrame, profile: str) -> pd.DataFrame:
    """The rows with the profile's window of today, and those of words, which have none."""
    return rows[(rows["window"] == find_profile(profile).base.window) | (rows["encoder"] == NO_ENCODER)]


def verdicts(profile: str) -> pd.DataFrame:
    """All claims judged by the stored rows of a profile: the table of `claims.judged`."""
    rows = of_recipe(stored_rows(profile), profile)
    return claims.judged(rows, experiments.all_claims(), experiments.planned(profile))
