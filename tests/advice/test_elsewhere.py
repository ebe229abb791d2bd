"""Predictions made elsewhere beside the classifier's, on the same rows."""

import numpy as np
import pytest

from bertstudy import stats
from bertstudy.advice import race, result
from bertstudy.advice.elsewhere import rival
from bertstudy.results.rows import unsqueeze


def test_a_column_of_predictions_is_compared_in_pairs(table, written, begun):
    random = np.random.default_rng(0)
    wrong = random.random(len(table)) < 0.3
    table["gpt"] = np.where(wrong, np.where(table["label"] == "az", "za", "az"), table["label"])
    table.loc[::10, "gpt"] = None
    data = begun(train=written(table), rival_column="gpt")
    race.words(data)
    scored = result.score(data)
    told = rival(data, scored)
    rows = np.array(scored["row"]) - 1
    expected = (table["gpt"].iloc[rows].fillna("") != table["label"].iloc[rows]).to_numpy()
    ours = unsqueeze(scored["predictions"]) != unsqueeze(scored["truth"])
    assert told.table["wrong"].tolist() == [expected.sum(), ours.sum()]
    effect = stats.mcnemar(expected, ours)
    assert (told.values["gain"], told.values["p"]) == pytest.approx((effect.effect, effect.p))
    assert told.words.startswith("On test words is ")
    missing = table["gpt"].iloc[rows].isna().sum()
    assert f"{missing} of its {len(rows)} labels are none of the classes" in told.words


def test_without_a_column_it_says_how_to_name_one(table, written, begun):
    data = begun(train=written(table))
    assert "rival_column = 'gpt'" in rival(data, {}).words
    with pytest.raises(ValueError, match="rival_column='gtp' is unknown"):
        begun(train=written(table), rival_column="gtp")
