"""A profile with a reader's changes to it: what a notebook plans, runs and draws with."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch

from .. import experiments as figures
from ..analysis import paper, surveys
from ..data.catalogue import CHINESE, CORPORA, peers
from ..data.control.corpora import COMPOSED
from ..data.corpora import LIBRARY, Corpus, Library
from ..data.sentences import mostly_one
from ..data.sources import sources
from ..model.encoder import encoder_config
from ..paths import reports, shown
from ..profiles import Profile
from ..results import plans
from ..results.rows import Store, write_json
from ..runs import Run, baseline
from . import display, surveying
from .modes import PUBLISHING, REMAKE, STORED

LOG = logging.getLogger(__name__)
FIGURE_4 = tuple(sorted(set(paper.few_shot()["fraction"])))


class Study:
    """A profile with a reader's changes to it.

    base: the run a plan starts from; seeds, table_seeds, sweep_seeds: ranges, for few settings, for the tables of 02,
    07 and 08, and for the many settings of 03 and 04; tasks and sources: corpora for Table 5, to fine-tune on, and to
    pretrain on beside these; corpora: those that 00 surveys, with so many documents measured.
    """

    def __init__(
        self,
        profile: Profile,
        base: Run,
        seeds: int = 0,
        steps: int = 0,
        sources: str = "",
        tasks: str = "",
        library: Library = LIBRARY,
    ):
        self.profile, self.base, self.library = profile, base, library
        counts = (profile.seeds, profile.table_seeds, profile.sweep_seeds)
        self.seeds, self.table_seeds, self.sweep_seeds = (range(seeds or count) for count in counts)
        self._steps = {"pretraining_steps": steps} if steps else {}
        self.sources, self.tasks = sources.split() or list(profile.sources), tasks.split() or list(profile.tasks)
        self.corpora = list(COMPOSED if profile.base.corpus in COMPOSED else CORPORA)
        self.documents = surveys.DOCUMENTS

    @property
    def corpus(self) -> Corpus:
        """The corpus of the base run."""
        return self.library.of(self.base)

    def load(self, name: str) -> Corpus:
        """A corpus by name or file, from where this study finds its corpora."""
        return self.library.load(name)

    def reading(self, corpus=""):
        """The base run on a corpus, a Chinese one with a Chinese encoder unless the reader has named an encoder."""
        run = replace(self.base, corpus=corpus or self.base.corpus)
        chinese = run.corpus in CORPORA and CORPORA[run.corpus].language == "zh"
        return replace(run, encoder=CHINESE) if chinese and run.encoder == self.profile.base.encoder else run

    def on(self, corpus="", few=False, **changes):
        """The base run on a corpus, as `reading` gives it, with as many documents as the profile's tables have.

        `few` takes the number for Tables 6 to 8 instead of that for Tables 2 to 4.
        """
        run = self.reading(corpus)
        documents = self.profile.few if few else self.profile.documents
        if run.fraction == 1 and documents:
            size = len(self.library.of(run).train.texts)
            run = replace(run, fraction=round(min(1.0, documents / size), 6))
        return replace(run, **changes)

    @property
    def depth(self):
        """How many layers the base run's encoder has."""
        return encoder_config(self.base.encoder).num_hidden_layers

    def pretrained(self, source="within_task", run=None, steps=0):
        """A run, the base run without one, after further pretraining on a source, with so many steps or the profile's.

        Steps that a reader has given to the notebook come before both.
        Next-sentence prediction is left out where all the texts are of one sentence.
        """
        run, fields = run or self.base, {**self.profile.pretraining, "further_pretraining": source}
        fields |= {"pretraining_steps": steps or fields["pretraining_steps"], **self._steps}
        further = replace(run, **fields)
        sources(further)  # or an error before the first run
        if further.next_sentence and all(mostly_one(corpus.train.texts) for corpus in self._read(further)):
            further = replace(further, next_sentence=False)
        return further

    def _read(self, run):
        """The corpora whose texts a run's further pretraining reads."""
        return [self.library.of(run) if name == run.corpus else self.load(name) for name in sources(run)]

    def arms(self, run):
        """Table 6's ways beside a run: TF-IDF, features, the run itself, and after each further pretraining.

        Pretraining in the domain is left out where no other corpus is of the same.
        """
        features = replace(baseline(run, "features"), **self.profile.features)
        further = [
            self.pretrained(reach, run)
            for reach in self.profile.pretrainings
            if reach == "within_task" or len(peers(run.corpus, reach)) > 1
        ]
        return [baseline(run, "tfidf"), features, run, *further]

    def together(self, run, tasks):
        """A run after fine-tuning on all tasks together, with as many documents each, then at half the rate (§5.5).

        Raises ValueError for fewer than two tasks, one that stands twice, and tasks that need several encoders.
        """
        named = f"tasks={' '.join(tasks)!r}"
        if len(set(tasks)) < max(2, len(tasks)):
            raise ValueError(f"{named}: name two or more corpora, each once, as in 'movies topics'.")
        encoders = {self.reading(task).encoder for task in tasks}
        if len(encoders) > 1:
            raise ValueError(
                f"{named}: they are in several languages, and share one encoder ({' or '.join(sorted(encoders))}). "
                f"Name tasks of one language, or an encoder that reads all, as in encoder='xlm-roberta-base'."
            )
        return replace(
            run,
            multitask="+".join(tasks),
            multitask_documents=self.profile.few or 0,
            multitask_sampling=self.sampling,
            multitask_epochs=run.epochs,
            multitask_learning_rate=run.learning_rate,
            learning_rate=run.learning_rate / 2,
        )

    def encoders(self, tasks):
        """The base run's encoder and the larger one, for tasks that both read; told where the profile has but one.

        Raises ValueError for a task of another language, which neither reads.
        """
        for task in tasks:
            if (needed := self.reading(task).encoder) != self.base.encoder:
                raise ValueError(
                    f"tasks={' '.join(tasks)!r}: {task} is in a language that encoder={self.base.encoder!r} does not "
                    f"read. Name both encoders, as in encoder={needed!r}, larger='xlm-roberta-base'."
                )
        if not self.larger:
            LOG.info("Profile %s has no larger encoder to compare with: name one by `larger`.", self.profile.name)
        return [self.base.encoder, *([self.larger] if self.larger else [])]

    def fractions(self, fraction, points=FIGURE_4):
        """The points of a learning curve: one fraction, or with 0 all the profile has room for."""
        if fraction:
            return [replace(self.base, fraction=fraction).fraction]
        most = self.profile.most_documents or len(self.corpus.train.texts)
        kept = [point for point in points if point * len(self.corpus.train.texts) <= most]
        if len(kept) < len(points):
            LOG.info(
                f"Profile {self.profile.name} stops at {most:,} documents: {len(kept)} of {len(points)} points. "
                f"Name a larger one to have it run all the same, as in fraction={points[-1]}."
            )
        return kept

    def reachable(self, names):
        """Those of these corpora that can be had, so that one that is not does not stop the others; it is told."""
        return [run.corpus for run in surveying.reachable(map(self.reading, names), self.library)]

    def look(self, *names):
        """Table 1's columns for corpora, or the study's own, and the paper's; a text of those that are composed."""
        runs = [self.reading(name) for name in names or [""]]
        rows = [surveying.stored(run, self.profile.name, self.documents, self.library) for run in runs]
        for corpus in map(self.library.of, runs):
            if corpus.composed:
                LOG.info("%s, one of them: %s", corpus.name, corpus.train.texts[0])
        return display.shown(surveys.table1(pd.DataFrame(rows)), digits=1, index=True)

    def survey(self, plan):
        """What is known of the corpora of a plan, a row each; those that can't be had are told."""
        return surveying.survey_all(plan, self.profile.name, self.documents, self.library)

    def run_all(self, *grids):
        """The rows of a plan, made where they are missing, over the cores where that is faster (`plans.run_all`).

        Of several plans a table each: their runs are carried out together, so that no core waits between them. While
        a report is made of stored rows alone, those that are there (`plans.stored`).
        """
        if not os.environ.get(STORED):
            every = [run for plan in grids for run in plan]
            remake = os.environ.get(REMAKE, "")
            rows = plans.run_all(every, self.profile.name, workers=0, remake=remake, library=self.library)
            if len(grids) == 1:
                return rows
        tables = [plans.stored(plan, self.profile.name, self.library) for plan in grids]
        return tables if len(grids) > 1 else tables[0]

    def figure(self, name, rows):
        """Draw a registered figure of rows; while a report is made, write it with its numbers and its rows' ids."""
        chart, lacking = figures.FIGURES[name](rows), rows.attrs.get("missing", [])
        if lacking:
            figures.incomplete(chart, lacking)
        if os.environ.get(PUBLISHING):
            place = reports() / self.profile.name / "figures" / name
            figures.save(chart, figures.FIGURES[name].data(rows), place)
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
