"""Widgets for JupyterLab: what a figure says about a reader's own question."""

from html import escape
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from IPython.display import HTML

from .. import experiments as figures
from ..analysis.crossing import labels_for
from ..experiments.fewshot import RIVALS
from ..model.explanations import Explanation
from ..model.loading import load_tokenizer
from ..model.segments import Segmenter, placed, places_of
from .study import Study

WHOLE = {"description_width": "initial"}  # of controls: as wide as their words
MOST_SHOWN = 200  # documents to choose from, the corpus's first


def documents_for(points: pd.DataFrame, target: float) -> float | None:
    """Labelled documents at which a curve first reaches a target error; None where it never does.

    points: a table with `labelled` and `error`; between points, error is linear in the logarithm of the documents.
    """
    curve = points.sort_values("labelled")
    found = labels_for(curve["labelled"].to_numpy(float), curve["error"].to_numpy(), target)
    return found if np.isfinite(found) else None


def _answered(slider, answer):
    """A slider and below it answer(value), HTML for the value chosen.

    There is no Output widget: when a notebook with one is executed, nbclient sometimes waits forever for its cell.
    """
    words = ipywidgets.HTML(answer(slider.value))
    slider.observe(lambda change: setattr(words, "value", answer(change["new"])), "value")
    return ipywidgets.VBox([slider, words])


def in_words(points: pd.DataFrame, target: float) -> str:
    """How many labelled documents a curve takes to a target error, within the numbers that were tried (`points`)."""
    fewest, most = points["labelled"].min(), points["labelled"].max()
    documents = documents_for(points, target)
    if documents is None:
        return f"more than {most:,.0f} labelled documents"
    if documents < fewest + 0.5:
        return f"{fewest:,.0f} labelled documents or fewer"
    return f"about {documents:,.0f} labelled documents"


def labels_needed(rows: pd.DataFrame) -> ipywidgets.VBox:
    """A slider: choose a test error, and read how many labelled documents each arm of the learning curve took."""
    points = figures.few_shot_data(rows)
    low, high = points["error"].min(), points["error"].max()

    def answer(target):
        return "<br>".join(f"{escape(arm)}: {in_words(curve, target)}" for arm, curve in points.groupby("arm"))

    slider = ipywidgets.FloatSlider(value=(low + high) / 2, min=low, max=high + 1e-9, step=0.1, description="error (%)")
    return _answered(slider, answer)


def expected(points: pd.DataFrame, each: float) -> pd.DataFrame:
    """What each arm of one corpus' curves gives with so many labels a class, the lowest error first.

    points: of `rivals_data`. Gives arm, error, low, high (percent) and seconds, read off straight lines over log
    labels; an arm that was not tried with as few or as many is left out. low and high are where one more run on another
    sample is to be expected, 95 %: from n runs, sqrt(n + 1) times as far from the mean as the mean's own interval.
    """
    wider = np.sqrt(points["seeds"] + 1).where(points["seeds"] > 1, np.nan)
    reach = [("low", points["error"] - points["low"], -1), ("high", points["high"] - points["error"], 1)]
    points = points.assign(**{end: (points["error"] + sign * wider * far).clip(0, 100) for end, far, sign in reach})
    lines = []
    for arm, curve in points.groupby("arm"):
        curve = curve.sort_values("each")
        if curve["each"].min() <= each <= curve["each"].max():
            place, known = np.log(each), np.log(curve["each"].to_numpy(float))
            told = {name: float(np.interp(place, known, curve[name])) for name in ("error", "low", "high", "seconds")}
            lines.append({"arm": arm, **told})
    return pd.DataFrame(lines, columns=["arm", "error", "low", "high", "seconds"]).sort_values(
        "error", ignore_index=True
    )


def _interval(line):
    return "" if np.isnan(line.low) else f" [{line.low:.1f}, {line.high:.1f}]"


def which_method(rows: pd.DataFrame) -> ipywidgets.VBox:
    """Choose a task like yours and your labels a class: which error is to be expected of each method, in which time?"""
    points = figures.rivals_data(rows)
    tasks = {
        f"{one.corpus}: {one.classes} classes": one.corpus for one in points.drop_duplicates("corpus").itertuples()
    }
    task = ipywidgets.Dropdown(options=tasks, description="a task like", style=WHOLE)
    sizes = sorted(set(np.geomspace(points["each"].min(), points["each"].max(), 30).round().astype(int)))
    labels = ipywidgets.SelectionSlider(
        options=sizes, value=sizes[len(sizes) // 2], description="labels a class", style=WHOLE
    )

    def answer():
        told = expected(points[points["corpus"] == task.value], labels.value)
        if told.empty:
            return "On this corpus no method has been tried with so many labels."
        lines = "".join(
            f"<tr><td>{escape(RIVALS[line.arm])}</td><td>{line.error:.1f} %{_interval(line)}</td>"
            f"<td>{f'{line.seconds:,.0f}' if line.seconds >= 1 else 'under 1'} s</td></tr>"
            for line in told.itertuples()
        )
        head = "<tr><th>method</th><th>expected error [of one run, 95 %]</th><th>training</th></tr>"
        return f"<table style='white-space: nowrap'>{head}{lines}</table>"

    words = ipywidgets.HTML(answer())
    for control in (task, labels):
        control.observe(lambda _: setattr(words, "value", answer()), "value")
    return ipywidgets.VBox([task, labels, words])


def marked(told: Explanation, text: str) -> str:
    """A text as HTML whose words are blue where they speak for its label and orange where they speak against it."""
    most, parts, at = max((abs(word.weight) for word in told.words), default=1.0) or 1.0, [], 0
    for word in told.words:
        color = "0, 114, 178" if word.weight > 0 else "213, 94, 0"
        shade = f"background: rgba({color}, {0.6 * abs(word.weight) / most:.2f})"
        parts.append(escape(text[at : word.start]))
        parts.append(f'<span style="{shade}" title="{word.weight:+.2f}">{escape(word.text)}</span>')
        at = word.end
    return "".join([*parts, escape(text[at:])])


def explained(classifier: Any) -> ipywidgets.VBox:
    """Type a text, and read its label and which of its words speak for it (`Classifier.explain`)."""
    text = ipywidgets.Textarea(placeholder="a text", layout={"width": "98%", "height": "6em"})
    words = ipywidgets.HTML("")

    def answer(change):
        if not change["new"].strip():
            words.value = ""
            return
        told = classifier.explain(change["new"])
        words.value = (
            f"<p><strong>{escape(told.label)}</strong>, {100 * told.probability:.0f} %. Blue speaks for it, orange "
            f"against it, the more the darker.</p><p>{marked(told, change['new'])}</p>"
        )

    text.observe(answer, "value")
    return ipywidgets.VBox([text, words])


def first_long(study: Study, name: str) -> int:
    """The number of a corpus' first training document that is two windows long or longer; 0 where none is."""
    run = study.on(name)
    texts = study.library.of(run).train.texts[:MOST_SHOWN]
    lengths = map(len, load_tokenizer(run.encoder)(texts, add_special_tokens=False, verbose=False)["input_ids"])
    return next((number for number, length in enumerate(lengths) if length >= 2 * (run.window - 2)), 0)


def kept(study: Study, name: str, strategies: list[str], number: int | None = None) -> HTML:
    """One document of a composed corpus as HTML, once per truncation, with the pieces that are read marked.

    number: of the training document; None: the `first_long`. Documents of a real corpus are not shown, whatever the
    number.
    """
    run = study.on(name)
    corpus = study.library.of(run)
    if not corpus.composed:
        return HTML("<p>Documents are shown for composed corpora only, so that pages can be passed on.</p>")
    number, room = first_long(study, name) if number is None else number, run.window - 2
    tokenizer = load_tokenizer(run.encoder)
    pieces = tokenizer.tokenize(corpus.train.texts[number])
    ids, lines = placed(tokenizer.convert_tokens_to_ids(pieces)), []
    if len(pieces) <= room:
        lines.append(f"<p>This document fits the window of {run.window} pieces: nothing of it is cut.</p>")
    for spec in strategies:
        (segments,) = Segmenter(tokenizer, spec, run.window).segments([ids])
        places = {place for segment in segments for place in places_of(segment)} - {None}
        words = (
            f"<mark>{escape(piece)}</mark>" if place in places else escape(piece) for place, piece in enumerate(pieces)
        )
        counted = "1 segment" if len(segments) == 1 else f"{len(segments)} segments"
        share = f"{len(places)} of {len(pieces)} pieces in {counted}"
        lines.append(f"<p><strong>{escape(spec)}</strong>, {share}:<br>{' '.join(words)}</p>")
    return HTML("".join(lines))


def kept_explorer(study: Study, name: str, strategies: list[str]) -> ipywidgets.VBox:
    """A slider over the documents of a composed corpus: what does each truncation keep of the chosen one (`kept`)?"""
    slider = ipywidgets.IntSlider(value=first_long(study, name), min=0, max=MOST_SHOWN - 1, description="document")
    return _answered(slider, lambda number: kept(study, name, strategies, number).data)
