"""Table 2 (§5.3.1): what to do with documents longer than the window."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from .. import stats
from ..analysis import paper
from ..analysis.claims import LONG, TRUNCATION, Claim, Contrast
from ..analysis.drawing import STYLE, bars_of, figure, grid_across, names, per_point, span
from ..analysis.experiment import declare, numbers, whole
from ..choices.truncation import TRUNCATIONS
from ..data.control.corpora import COMPOSED, expected_error
from ..results.rows import unsqueeze, wrong

HIERARCHICAL = {"mean": "hier. mean", "max": "hier. max", "attention": "hier. self-attention"}
ORDER = ("head-only", "tail-only", "head+tail", *HIERARCHICAL.values())
BINS = ((0, 1), (1, 2), (2, np.inf))  # of lengths, in windows


def strategy_of(truncation: str, segment_pooling: str) -> str:
    """The paper's name for a way to read a long document."""
    kind = truncation.partition(":")[0]
    return HIERARCHICAL.get(segment_pooling, kind if "+" in kind else f"{kind}-only")


def _named(rows):
    """Rows with `strategy`: that of the paper, or, of a window wider than the corpus' others, this window."""
    narrow = rows.groupby("corpus")["window"].transform("min")
    pairs = zip(rows["truncation"], rows["segment_pooling"], strict=True)
    named = pd.Series([strategy_of(*pair) for pair in pairs], rows.index, dtype=object)
    wide = "window of " + rows["window"].astype(str)
    return rows.assign(strategy=named.where(rows["window"] == narrow, wide), narrow=narrow)


def _planted(corpus, truncation, window):
    entry = TRUNCATIONS.known(truncation)
    computable = corpus in COMPOSED and entry is not None and not entry.sentences
    return expected_error(corpus, truncation, window) if computable else np.nan


def _printed(corpus):
    """The column of the paper's Table 2 to compare a corpus with: its own, or IMDb's."""
    return "Sogou" if corpus == "sogou" else "IMDb"


def _order(strategies):
    """The paper's strategies, then all others."""
    return [*ORDER, *sorted({*strategies} - {*ORDER})]


def long_text_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Table 2's numbers: corpus, strategy, truncation, window, seeds, error with interval, planted and paper.

    planted: the error of a reader whose only fault is the truncation (composed corpora only). paper: the paper's error
    on the same corpus, on IMDb where the corpus is not in its table.
    """
    rows = _named(rows)
    points = per_point(rows, ["corpus", "strategy", "truncation", "window"], pooled=True)
    keys = points[["corpus", "truncation", "window"]].itertuples(index=False)
    points["planted"] = [_planted(*key) for key in keys]
    printed = paper.long_text()
    places = zip(points["corpus"].map(_printed), points["strategy"], strict=True)
    points["paper"] = [printed[column].get(strategy, np.nan) for column, strategy in places]
    order = _order(points["strategy"])
    return points.sort_values(
        ["corpus", "strategy"], key=lambda column: column.map(lambda name: order.index(name) if name in order else -1)
    )


@figure(long_text_data, point="{strategy} on {corpus}")
def long_text(rows: pd.DataFrame) -> plt.Figure:
    """Table 2: test error by strategy and corpus, with 95 % intervals.

    A vertical stroke is the error that was planted in a composed corpus: that of a reader whose only fault is the
    truncation. Hollow points are the paper's (BERT-base, single runs), on IMDb where the corpus is not in its table.
    """
    data = long_text_data(rows)
    order = _order(data["strategy"])
    with plt.style.context(STYLE):
        chart, axes = plt.subplots(figsize=(7.4, 1.2 + 0.5 * len(order)))
        grid_across(axes)
        for shift, (color, (corpus, group)) in enumerate(
            zip(sns.color_palette(), data.groupby("corpus"), strict=False)
        ):
            y = [order.index(strategy) + 0.14 * shift for strategy in group["strategy"]]
            bars = bars_of(group)
            label = f"{corpus}: {span(group['seeds'])}, 95 % interval"
            axes.errorbar(group["error"], y, xerr=bars, fmt="o", color=color, capsize=4, label=label)
            if group["planted"].notna().any():
                axes.plot(group["planted"], y, "|", color=color, markersize=15, markeredgewidth=2, label="planted")
        for name, marker in zip(data["corpus"].map(_printed).unique(), "os", strict=False):
            hollow = dict(color="#555555", markerfacecolor="white", label=f"paper: {name}, BERT-base, one run")
            axes.plot(paper.long_text()[name].reindex(order), np.arange(len(order)) - 0.18, marker, **hollow)
        axes.set(xlabel="test error (%)", xlim=(0, None), ylim=(len(order) - 0.5, -0.5))
        axes.set_yticks(range(len(order)), order)
        chart.legend(loc="outside lower center", ncols=3)
    return chart


def errors_by_length_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Error by document length: corpus, strategy, windows (the length), documents, error with Wilson's interval."""
    lines = []
    for (corpus, strategy), group in _named(rows[rows["lengths"].notna()]).groupby(["corpus", "strategy"]):
        errors, lengths = [], []
        for _, row in group.iterrows():
            errors.append(wrong(row))
            lengths.append(unsqueeze(row["lengths"]) / (row["narrow"] - 2))
        errors, lengths = np.concatenate(errors), np.concatenate(lengths)
        for low, high in BINS:
            in_bin = errors[(lengths > low) & (lengths <= high)]
            if len(in_bin):
                error = 100 * in_bin.mean()
                interval = stats.wilson(in_bin.sum() / len(group), len(in_bin) / len(group))
                name = f"up to {high}" if low == 0 else f"{low} to {high}" if high < np.inf else f"over {low}"
                documents = len(in_bin) // len(group)
                lines.append((corpus, strategy, name, documents, error, *interval))
    return pd.DataFrame(lines, columns=["corpus", "strategy", "windows", "documents", "error", "low", "high"])


@figure(errors_by_length_data, point="{strategy} (length in windows: {windows})")
def errors_by_length(rows: pd.DataFrame) -> plt.Figure:
    """Test error by document length in windows, the mean over seeds; Wilson's 95 % intervals over test documents."""
    data = errors_by_length_data(rows)
    corpora, order = data["corpus"].unique().tolist(), _order(data["strategy"])
    with plt.style.context(STYLE):
        chart, panels = plt.subplots(1, len(corpora), figsize=(7.4, 4.6), sharey=True, squeeze=False)
        for axes, corpus in zip(panels[0], corpora, strict=True):
            part = data[data["corpus"] == corpus]
            bins = part.drop_duplicates("windows").sort_values("windows", key=lambda column: column != "up to 1")
            places = {name: place for place, name in enumerate(bins["windows"])}
            colors = [*sns.color_palette(n_colors=len(ORDER)), *["#444444"] * (len(order) - len(ORDER))]
            for shift, (color, name) in enumerate(zip(colors, order, strict=True)):
                group = part[part["strategy"] == name]
                x = [places[length] + 0.1 * (shift - 2.5) for length in group["windows"]]
                bars = bars_of(group)
                axes.errorbar(x, group["error"], bars, fmt="o", color=color, capsize=3, label=name)
            axes.set_xticks(
                list(places.values()),
                [f"{n}\n{d:,} documents" for n, d in zip(bins["windows"], bins["documents"], strict=True)],
            )
            axes.set(title=corpus, xlabel="length of the document, in windows")
        panels[0][0].set(ylabel="test error (%)", ylim=(0, None))
        chart.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return chart


def _head(truncation, window):
    """How many pieces of the head a truncation keeps."""
    kind, _, head = truncation.partition(":")
    return int(head) if head else {"head": window - 2, "tail": 0}[kind]


def head_share_data(rows: pd.DataFrame) -> pd.DataFrame:
    """The split of head+tail: corpus, pieces taken from the head, seeds, error with interval, the planted error."""
    is_one = rows["truncation"].isin(["head", "tail"])
    rows = rows[is_one | rows["truncation"].str.startswith("head+tail:")]
    rows = rows.assign(head=[_head(*pair) for pair in zip(rows["truncation"], rows["window"], strict=True)])
    points = per_point(rows, ["corpus", "head", "truncation", "window"], pooled=True)
    keys = points[["corpus", "truncation", "window"]].itertuples(index=False)
    return points.assign(planted=[_planted(*key) for key in keys])


@figure(head_share_data, point="{head} pieces from the head on {corpus}")
def head_share(rows: pd.DataFrame) -> plt.Figure:
    """Test error against the number of pieces taken from the head; the rest of the window is filled from the tail."""
    data = head_share_data(rows)
    with plt.style.context(STYLE):
        chart, axes = plt.subplots(figsize=(7.4, 4.2))
        for color, (corpus, group) in zip(sns.color_palette(), data.groupby("corpus"), strict=False):
            bars = bars_of(group)
            label = f"{corpus}: {span(group['seeds'])}, 95 % interval"
            axes.errorbar(group["head"], group["error"], bars, color=color, marker="o", capsize=4, label=label)
            if group["planted"].notna().any():
                axes.plot(group["head"], group["planted"], "--", color=color, linewidth=1, label="planted")
        axes.set(xlabel=f"word pieces from the head ({names(rows)}); 0: tail-only, all: head-only")
        axes.set(ylabel="test error (%)", ylim=(0, None))
        chart.legend(loc="outside lower center", ncols=2)
    return chart


def _cut(kind, pooling="none"):
    return lambda row: row.corpus in LONG and row.truncation.split(":")[0] == kind and row.segment_pooling == pooling


EXPERIMENT = declare(
    name="long_text",
    notebook="01_long_text",
    question="What to do with a document longer than the window?",
    parameters={"splits": numbers(int, "8 16 32"), "wide": whole},
    scales={
        # `wide`: the window of an arm that cuts less; without one there is none
        "control": {"seeds": 5, "labelled": 400, "corpora": ("long_reviews",), "wide": 128},
        "compact": {"seeds": 5, "labelled": 500, "corpora": ("imdb",), "wide": 512},
        "paper": {"seeds": 5, "corpora": ("imdb", "sogou")},
        "smoke": {"seeds": 2, "labelled": 40, "corpora": ("long_reviews",)},
    },
    claims=(
        Claim(
            "head+tail",
            "Of long texts, head and tail together are better to read than either alone.",
            "§5.3.1, Table 2",
            "01_long_text",
            tuple(
                Contrast(_cut(kind), _cut("head+tail"), TRUNCATION, by, name=f"than the {kind}")
                for kind, by in (("head", 0.21), ("tail", 0.02))
            ),
            planted="A long review's verdict stands at its head, at its tail, at both or between.",
        ),
        Claim(
            "truncation",
            "Cutting documents to head and tail is as good as reading all of them hierarchically.",
            "§5.3.1, Table 2",
            "01_long_text",
            tuple(
                Contrast(_cut("chunks", pooling), _cut("head+tail"), TRUNCATION, effect, name=f"than hier. {pooling}")
                for pooling, effect in (("mean", 0.47), ("max", 0.29), ("attention", 0.07))
            ),
            "as good",
        ),
    ),
)
