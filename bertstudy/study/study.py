"""A profile with a reader's changes to it: what a notebook plans, runs and draws with."""

import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch

from .. import experiments as figures
from ..analysis import surveys
from ..analysis.experiment import Experiment
from ..data.catalogue import CHINESE, CORPORA
from ..data.corpora import LIBRARY, Corpus, Library
from ..data.sentences import mostly_one
from ..data.sources import sources
from ..model.loading import encoder_config
from ..paths import reports, shown, site
from ..profiles import Profile
from ..registry import unique
from ..results import plans
from ..results.rows import Store, write_json
from ..runs import Run
from . import display, surveying
from .live import watched
from .modes import PLANNING, PUBLISHING, REMAKE, STORED

LOG = logging.getLogger(__name__)


class Planned(Exception):
    """What a notebook would run: `runs`, each once, on corpora of the `library`."""

    def __init__(self, runs: Iterable[Run], library: Library = LIBRARY):
        self.runs, self.library = unique(runs), library
        super().__init__(f"{len(self.runs)} runs")


class Study:
    """A question at the scale of a profile, with a reader's changes to it.

    base: the run a plan starts from; scale: what the question's plan reads at this scale, including its parameters;
    seeds: a range; library: where corpora come from; cluster: the address of a Ray cluster that makes the runs, or "".
    """

    def __init__(
        self,
        experiment: Experiment,
        profile: Profile,
        base: Run,
        scale: dict,
        library: Library = LIBRARY,
        cluster: str = "",
    ):
        self.experiment, self.profile, self.library, self.cluster = experiment, profile, library, cluster
        self.base = base
        self.scale = SimpleNamespace(**scale)
        self.base = self.reading()
        self.seeds = range(getattr(self.scale, "seeds", 1))

    @property
    def corpus(self) -> Corpus:
        """The corpus of the base run."""
        return self.library.of(self.base)

    def load(self, name: str) -> Corpus:
        """A corpus by name or file, from this study's library. Raises ValueError where it can't be loaded."""
        return self.library.load(name)

    def reading(self, corpus: str = "") -> Run:
        """The base run on a corpus; on a Chinese one with the Chinese encoder unless the reader has named another."""
        run = replace(self.base, corpus=corpus or self.base.corpus)
        chinese = run.corpus in CORPORA and CORPORA[run.corpus].language == "zh"
        return replace(run, encoder=CHINESE) if chinese and run.encoder == self.profile.base.encoder else run

    def on(self, corpus: str = "", **changes: Any) -> Run:
        """The base run on a corpus, as `reading` gives it, with the scale's number of labels and these changes."""
        run, labelled = self.reading(corpus), getattr(self.scale, "labelled", None)
        if run.fraction == 1 and labelled:
            size = len(self.library.of(run).train.texts)
            run = replace(run, fraction=round(min(1.0, labelled / size), 6))
        return replace(run, **changes)

    @property
    def depth(self) -> int:
        """How many layers the base run's encoder has."""
        return encoder_config(self.base.encoder).num_hidden_layers

    def pretrained(self, source: str = "within_task", run: Run | None = None) -> Run:
        """A run (None: the base run) after further pretraining on a source, with the scale's number of steps.

        Next-sentence prediction is left out where all the corpora's texts are mostly of one sentence. Raises ValueError
        for a domain asked of a corpus that has none.
        """
        fields = {**self.profile.pretraining, "further_pretraining": source}
        steps = getattr(self.scale, "steps", None) or fields["pretraining_steps"]
        further = replace(run or self.base, **fields | {"pretraining_steps": steps})
        sources(further)  # or an error before the first run
        if further.next_sentence and all(mostly_one(corpus.train.texts) for corpus in self._read(further)):
            further = replace(further, next_sentence=False)
        return further

    def _read(self, run):
        """The corpora whose texts a run's further pretraining reads."""
        return [self.library.of(run) if name == run.corpus else self.load(name) for name in sources(run)]

    def reachable(self, names: Iterable[str]) -> list[str]:
        """Those of these corpora that can be loaded; the others are logged with the reason.

        Raises ValueError where none can.
        """
        return [run.corpus for run in surveying.reachable(map(self.reading, names), self.library)]

    def look(self, *names: str) -> Any:
        """Table 1's columns for these corpora (none: the base run's), styled, with the paper's lines below.

        Logs an example text of each that is composed.
        """
        runs = [self.reading(name) for name in names or [""]]
        documents = getattr(self.scale, "documents", surveys.DOCUMENTS)
        rows = [surveying.stored(run, self.profile.name, documents, self.library) for run in runs]
        for corpus in map(self.library.of, runs):
            if corpus.composed:
                LOG.info("%s, one of them: %s", corpus.name, corpus.train.texts[0])
        return display.shown(surveys.table1(pd.DataFrame(rows)), digits=1, index=True)

    def survey(self, plan: Iterable[Run]) -> pd.DataFrame:
        """The surveys of a plan's corpora, a row each; those that can't be loaded are logged (`surveys.survey`)."""
        return surveying.survey_all(plan, self.profile.name, self.scale.documents, self.library)

    def run_all(self, *grids: Iterable[Run]) -> Any:
        """The rows of a plan as a table, made where they are missing, on several cores where that is faster.

        Several plans give a list of tables: their runs are carried out together, so that no core waits between them
        (`plans.run_all`). While a report is made from stored rows alone, the rows that there are (`plans.stored`).
        While only the plan is asked for, raises it as a `Planned`.
        """
        if os.environ.get(PLANNING):
            raise Planned([run for plan in grids for run in plan], self.library)
        if not os.environ.get(STORED):
            every = [run for plan in grids for run in plan]
            options = {"remake": os.environ.get(REMAKE, ""), "library": self.library, "cluster": self.cluster}
            with watched():
                rows = plans.run_all(every, self.profile.name, workers=0, **options)
            if len(grids) == 1:
                return rows
        tables = [plans.stored(plan, self.profile.name, self.library) for plan in grids]
        return tables if len(grids) > 1 else tables[0]

    def figure(self, name: str, rows: pd.DataFrame) -> plt.Figure:
        """Draw a registered figure of rows; while a report is made, also write it, its numbers and its rows' ids."""
        chart, lacking = figures.FIGURES[name](rows), rows.attrs.get("missing", [])
        if lacking:
            figures.incomplete(chart, len(lacking))
        if os.environ.get(PUBLISHING):
            place = reports() / self.profile.name / "figures" / name
            built = site() / self.profile.name / "figures" / name
            figures.save(chart, figures.FIGURES[name].data(rows), place, built)
            notebook = os.environ[PUBLISHING]
            write_json(
                place.with_suffix(".json"), {"figure": name, "notebook": notebook, "rows": [*rows["id"], *lacking]}
            )
        plt.close(chart)
        return chart

    def __repr__(self):
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
        base = self.base
        return (
            f"Profile {self.profile.name}, on {device}, {torch.get_num_threads()} threads. {self.profile.shows}\n"
            f"Where the plan names no other: corpus {Path(base.corpus).name}, encoder {Path(base.encoder).name}, "
            f"{len(self.seeds)} seeds. Rows are in {shown(Store.of(self.profile.name).folder)}."
        )
