"""The claims as a forest plot: effects with their intervals and verdicts, and the paper's effects beside them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from .drawing import STYLE, effects_across

COLORS = {"holds": 2, "doesn't hold": 1, "inconclusive": 4, "not run": 4}  # places in the palette
MARKS = {"holds": "o", "doesn't hold": "X", "inconclusive": "d", "not run": "d"}
TICKS = (-30, -10, -3, -1, 0, 1, 3, 10, 30)


def claims(table: pd.DataFrame) -> plt.Figure:
    """A table of claims (see `deciding.judged`) as a forest: effects in points with 95 % intervals, the paper's hollow.

    A grey bar is below the least effect of interest. The axis is linear between -1 and 1 and logarithmic beyond.
    """
    y = np.arange(len(table))
    with plt.style.context(STYLE):
        palette = sns.color_palette()
        chart, axes = plt.subplots(figsize=(7.4, 1.4 + 0.34 * len(table)))
        reach = np.nanmax(np.abs(table[["effect", "low", "high", "paper"]].astype(float).to_numpy()), initial=1)
        effects_across(axes, -reach, reach, 1, TICKS)
        run, least = table["least"].notna(), table["least"].dropna().astype(float)
        axes.barh(y[run], 2 * least, left=-least, height=0.6, color="#dddddd", label="below a tenth of the error")
        for decision, place in COLORS.items():
            chosen = (table["verdict"] == decision) & table["effect"].notna()
            part = table[chosen]
            bars = [part["effect"] - part["low"], part["high"] - part["effect"]]
            style = dict(fmt=MARKS[decision], color=palette[place], capsize=3)
            if len(part):
                axes.errorbar(
                    part["effect"].astype(float), y[chosen], xerr=np.array(bars, float), label=decision, **style
                )
        printed = table["paper"].notna()
        hollow = dict(color="#555555", markerfacecolor="white", markersize=5, label="paper: IMDb, one run each")
        axes.plot(table["paper"][printed].astype(float), y[printed] + 0.25, "o", **hollow)
        axes.set_ylim(len(table) - 0.5, -0.7)
        axes.set_xlabel("points of error (beyond 1 logarithmic)\npositive: what the finding names first errs less")
        axes.set_yticks(y, table["claim"])
        chart.legend(loc="outside lower center", ncols=3)
    return chart
