"""What runs will take, by the rows that there are: core-seconds, and for a plan hours and money, before it is begun."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ..analysis.drawing import STYLE, grid_across
from ..choices.methods import METHODS
from ..data.corpora import LIBRARY, Library
from ..model.loading import encoder_config, load_tokenizer
from ..model.predictions import reads_pairs
from ..model.segments import Segmenter
from ..profiles import profile as find_profile
from ..registry import unique
from ..results.rows import Store, cores_of, name_of, run_of
from ..results.workers import pretrained_of
from ..runs import NO_ENCODER, Run
from .planning import planned

FASTER = 3  # times that prediction is, compared with training, by piece
LATEST = 10  # rows by which a speed is told: earlier ones may be of another machine, or of slower code
ANY = ""  # corpus
SAMPLE = 200  # documents by which the length of a corpus' documents is told


class Prices:
    """Core-seconds that runs will take, by the rows that there are: of runs alike, else by their pieces.

    Short texts take longer a piece than long ones: a speed is that on the run's corpus, where it has a row. Of an
    encoder without a row, the speed is that of another, by how much each multiplies for a piece. speed: pieces a second
    that another machine trains the profile's encoder on (`bertstudy bench gpu` tells it); then the rows, which are of
    this machine, say nothing, and the seconds are that machine's.
    """

    def __init__(self, profile: str, library: Library = LIBRARY, speed: float = 0.0):
        rows, self.library, taken, speeds = list(Store.of(profile).all()), library, {}, {}
        for row in sorted(rows, key=lambda row: row["made"]):
            if (run := run_of(row)) is None:
                continue
            cores, last = cores_of(row), (row["history"] or [{}])[-1]
            taken.setdefault(_but_seed(run), []).append(cores * _seconds(row["seconds"], run))
            if run.encoder != NO_ENCODER and last.get("pieces"):
                for corpus in (run.corpus, ANY):
                    speeds.setdefault((run.encoder, corpus), []).append(last["pieces"] / (cores * last["seconds"]))
        if speed:
            taken = {run: seconds for run, seconds in taken.items() if run.encoder == NO_ENCODER}
            speeds = {(find_profile(profile).base.encoder, ANY): [speed]}
        self.known = {run: float(np.mean(seconds[-LATEST:])) for run, seconds in taken.items()}
        self.speeds = {key: float(np.median(measured[-LATEST:])) for key, measured in speeds.items()}

    def speed(self, encoder: str, corpus: str) -> float:
        """Pieces of a corpus trained on in a core-second; nan where no encoder has a row."""
        if (encoder, ANY) in self.speeds or not self.speeds:
            return self.speeds.get((encoder, corpus), self.speeds.get((encoder, ANY), np.nan))
        known = [name for name, on in self.speeds if on == ANY]
        return float(np.mean([self.speed(other, corpus) * _size(other) for other in known])) / _size(encoder)

    def of(self, run: Run) -> float:
        """Core-seconds of a run, without further pretraining; nan where nothing is known, 0 without an encoder."""
        alike = _but_seed(run)
        if alike not in self.known and run.encoder == NO_ENCODER:
            return 0.0
        if alike not in self.known:
            self.known[alike] = self._documents(run) * self._pieces(run) / self.speed(run.encoder, run.corpus)
        return self.known[alike]

    def _documents(self, run):
        """How many documents a run trains on, all epochs together, and those it only reads, by what these take."""
        corpus = self.library.of(run)
        labelled = round(run.fraction * len(corpus.train.texts))
        tested = min(run.test_size or len(corpus.test.texts), len(corpus.test.texts))
        if "training" not in METHODS.entry(run.method).reads:
            return (labelled + tested) / FASTER
        return METHODS.find(run.method)().read(run, labelled) + tested / FASTER

    def _pieces(self, run):
        """How many pieces of a document are read, by a sample."""
        cut = Segmenter(load_tokenizer(run.encoder), run.truncation, run.window, reads_pairs(run), run.prefix)
        texts = self.library.of(run).train.texts[:SAMPLE]
        return np.mean([sum(map(len, segments)) for segments in cut(texts)])

    def before(self, run: Run) -> float:
        """Core-seconds of the further pretraining that a run starts from; 0 where it asks for none."""
        if run.further_pretraining == "none":
            return 0.0
        steps = run.pretraining_steps + run.pretraining_head_steps
        return steps * run.pretraining_batch_size * run.pretraining_window / self.speed(run.encoder, run.corpus)

    def together(self, runs: Iterable[Run], made: Iterable[Run] = ()) -> float:
        """Core-seconds of runs when those `made` are there: each run once, and each further pretraining."""
        made = set(made)
        runs = [run for run in unique(runs) if run not in made]
        known, encoders = set(map(pretrained_of, made)), {pretrained_of(run): run for run in runs}
        return sum(map(self.of, runs)) + sum(self.before(run) for key, run in encoders.items() if key not in known)


def _size(encoder):
    """What a layer's matrices have in weights, times the layers: a piece is multiplied with each of them."""
    config = encoder_config(encoder)
    return config.num_hidden_layers * config.hidden_size**2


def _seconds(seconds, run):
    """What a run took, without the further pretraining that it made or waited for."""
    return seconds["all"] if run.further_pretraining == "none" else seconds["train"] + seconds["test"]


def _but_seed(run):
    return replace(run, seed=0)


def costs(profile: str, notebooks: Iterable[str], speed: float = 0.0, hour: float = 0.0) -> pd.DataFrame:
    """What plans cost in a profile: a line a notebook that has one, and one for all together, which share runs.

    Columns: notebook, runs, missing (those without a row), hours (of all runs, on one core, or on the machine whose
    `speed` is given; nan where nothing is known), left (of the missing ones), money (for these, at a price an `hour`;
    nan without one). A notebook that can't be planned here, for want of a corpus or an encoder, has `needs` instead.
    """
    profile = find_profile(profile).name
    prices, lines, every = Prices(profile, speed=speed), [], []
    for name in notebooks:
        try:
            runs = planned(name, profile).runs
        except ValueError as error:
            lines.append({"notebook": name, "needs": " ".join(str(error).split())})
            continue
        if runs:
            lines.append({"notebook": name, **_cost(runs, profile, prices)})
        every += runs
    lines.append({"notebook": "all", **_cost(unique(every), profile, prices)})
    table = pd.DataFrame(lines, columns=["notebook", "runs", "missing", "hours", "left", "needs"])
    return table.assign(money=table["left"] * (hour or np.nan))


def _cost(runs, profile, prices):
    named = {name_of(run, prices.library).id: run for run in runs}
    store = Store.of(profile)
    lacking = [run for row_id, run in named.items() if row_id not in store]
    hours, left = (prices.together(part) / 3600 for part in (named.values(), lacking))
    return {"runs": len(named), "missing": len(lacking), "hours": hours, "left": left}


def told(line: Mapping[str, Any]) -> str:
    """A line of `costs` in words."""
    hours = "at an unknown speed"
    if not np.isnan(line["hours"]):
        hours = f"{line['left']:,.1f} of {line['hours']:,.1f} hours"
    money = "" if np.isnan(line["money"]) else f", {line['money']:,.2f}"
    return f"{line['missing']:,.0f} of {line['runs']:,.0f} runs are missing: {hours}{money}"


def draw(table: pd.DataFrame, title: str) -> plt.Figure:
    """The figure of `costs`: a bar a notebook, what is missing in a darker colour. Raises ValueError without any."""
    data = table[table["hours"].notna() & (table["notebook"] != "all")]
    if data.empty:
        raise ValueError("there is nothing to draw: none of these plans can be made and priced here, as said above.")
    with plt.style.context(STYLE):
        chart, axes = plt.subplots(figsize=(8.4, 1.4 + 0.36 * len(data)))
        grid_across(axes)
        y, color = np.arange(len(data)), sns.color_palette()[0]
        axes.barh(y, data["hours"], color=color, alpha=0.35, height=0.6, label="whole plan")
        axes.barh(y, data["left"], color=color, height=0.6, label="runs without a row")
        for place, line in zip(y, data.to_dict("records"), strict=True):
            axes.annotate(f" {told(line)}", (line["hours"], place), va="center", fontsize=8)
        axes.set_yticks(y, data["notebook"])
        axes.set(xlabel="hours", title=title, ylim=(len(data) - 0.5, -0.5))
        most = data["hours"].max() or 1
        axes.set_xlim(0, 2.2 * most)
        axes.set_xticks([tick for tick in axes.get_xticks() if tick <= 1.2 * most])
        chart.legend(loc="outside lower center", ncols=2)
    plt.close(chart)
    return chart
