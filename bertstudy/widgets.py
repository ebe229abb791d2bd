"""Explorers for JupyterLab: what a figure says, answered for a reader's own question."""

import ipywidgets
import numpy as np

from . import figures


def documents_for(points, target):
    """Labelled documents at which a curve first reaches a target error; None where it never does.

    points: a table with `labelled` and `error`, read as straight lines over the logarithm of the documents.
    """
    curve = points.sort_values("labelled")
    documents, errors = np.log(curve["labelled"].to_numpy(float)), curve["error"].to_numpy()
    for index in np.flatnonzero(errors <= target)[:1]:
        if index == 0:
            return float(np.exp(documents[0]))
        before, after = index - 1, index
        part = (errors[before] - target) / (errors[before] - errors[after])
        return float(np.exp(documents[before] + part * (documents[after] - documents[before])))
    return None


def labels_needed(rows):
    """A slider: choose a test error, read off how many labelled documents reached it."""
    points = figures.few_shot_data(rows)
    low, high = points["error"].min(), points["error"].max()

    def answer(target):
        for arm, curve in points.groupby("arm"):
            needed = documents_for(curve, target)
            print(f"{arm}: " + ("not reached here" if needed is None else f"about {needed:,.0f} labelled documents"))

    slider = ipywidgets.FloatSlider(value=(low + high) / 2, min=low, max=high + 1e-9, step=0.1, description="error (%)")
    return ipywidgets.interactive(answer, target=slider)
