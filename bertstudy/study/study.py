"""What a notebook needs around its experiment: parameters that can't be mistyped, execution, and a page to read."""

import ast
import hashlib
import json
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from .. import experiments as figures
from ..analysis import paper
from ..results import rows as store
from ..analysis import surveys as survey
from ..run import Profile, Run, baseline
from ..run import profile as find_profile
from ..data.corpora import CHINESE, COMPOSED, CORPORA, corpus_of, load_corpus, peers, sources
from ..paths import NOTEBOOKS, REPORTS, RUNS
from ..registry import no_such
from ..data.sentences import mostly_one

FIGURE_4 = tuple(sorted(set(paper.few_shot()["fraction"])))
STORED = "BERTSTUDY_STORED"  # set while a report is made of the rows that are there, and nothing is run
PUBLISHING = "BERTSTUDY_PUBLISH"  # the notebook's name while a report is made: figures then go to reports/ as well


def _read(run):
    """The corpora whose texts a run's further pretraining reads."""
    return [corpus_of(run) if name == run.corpus else load_corpus(name) for name in sources(run)]


class Study:
    """A profile with a reader's changes to it.

    base: the run a plan starts from; seeds, table_seeds, sweep_seeds: ranges, for few settings, for the tables of 02,
    07 and 08, and for the many settings of 03 and 04; tasks and sources: corpora for Table 5, to fine-tune on, and to
    pretrain on beside these; corpora: those that 00 surveys, with so many documents measured.
    """

    def __init__(self, profile: Profile, base: Run, seeds: int = 0, steps: int = 0, sources: str = "", tasks: str = ""):
        self.profile, self.base = profile, base
        counts = (profile.seeds, profile.table_seeds, profile.sweep_seeds)
        self.seeds, self.table_seeds, self.sweep_seeds = (range(seeds or count) for count in counts)
        self._steps = {"pretraining_steps": steps} if steps else {}
        self.sources, self.tasks = sources.split() or list(profile.sources), tasks.split() or list(profile.tasks)
        self.corpora = list(COMPOSED if profile.base.corpus in COMPOSED else CORPORA)
        self.documents = survey.DOCUMENTS

    @property
    def corpus(self):
        """The corpus of the base run."""
        return corpus_of(self.base)

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
            size = len(corpus_of(run).train.texts)
            run = replace(run, fraction=round(min(1.0, documents / size), 6))
        return replace(run, **changes)

    @property
    def depth(self):
        """How many layers the base run's encoder has."""
        from ..model.encoder import encoder_config

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
        if further.next_sentence and all(mostly_one(corpus.train.texts) for corpus in _read(further)):
            further = replace(further, next_sentence=False)
        return further

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
            print(f"Profile {self.profile.name} has no larger encoder, so nothing to compare: name one by `larger`.")
        return [self.base.encoder, *([self.larger] if self.larger else [])]

    def fractions(self, fraction, points=FIGURE_4):
        """The points of a learning curve: one fraction, or with 0 all the profile has room for."""
        if fraction:
            return [replace(self.base, fraction=fraction).fraction]
        most = self.profile.most_documents or len(self.corpus.train.texts)
        kept = [point for point in points if point * len(self.corpus.train.texts) <= most]
        if len(kept) < len(points):
            print(
                f"Profile {self.profile.name} stops at {most:,} documents: {len(kept)} of {len(points)} points. "
                f"Name a larger one to have it run all the same, as in fraction={points[-1]}."
            )
        return kept

    def reachable(self, names):
        """Those of these corpora that can be had, so that one that is not does not stop the others; it is told."""
        return [run.corpus for run in survey.reachable(map(self.reading, names))]

    def look(self, *names):
        """Table 1's columns for corpora, or the study's own, and the paper's; a text of those that are composed."""
        runs = [self.reading(name) for name in names or [""]]
        rows = [survey.stored(run, self.profile.name, self.documents) for run in runs]
        for corpus in map(corpus_of, runs):
            if corpus.composed:
                print(f"{corpus.name}, one of them: {corpus.train.texts[0]}")
        return shown(survey.table1(pd.DataFrame(rows)), digits=1, index=True)

    def survey(self, plan):
        """What is known of the corpora of a plan, a row each; those that can't be had are told."""
        return survey.survey_all(plan, self.profile.name, self.documents)

    def run_all(self, *plans):
        """The rows of a plan, made where they are missing, over the cores where that is faster (`store.run_all`).

        Of several plans a table each: their runs are carried out together, so that no core waits between them. While
        a report is made of stored rows alone, those that are there (`store.stored`).
        """
        if not os.environ.get(STORED):
            rows = store.run_all([run for plan in plans for run in plan], self.profile.name, workers=0)
            if len(plans) == 1:
                return rows
        tables = [store.stored(plan, self.profile.name) for plan in plans]
        return tables if len(plans) > 1 else tables[0]

    def figure(self, name, rows):
        """Draw a registered figure of rows; while a report is made, write it with its numbers and its rows' ids."""
        chart, lacking = figures.FIGURES[name](rows), rows.attrs.get("missing", [])
        if lacking:
            figures.incomplete(chart, lacking)
        if os.environ.get(PUBLISHING):
            place = REPORTS / self.profile.name / "figures" / name
            figures.save(chart, figures.FIGURES[name].data(rows), place)
            notebook = os.environ[PUBLISHING]
            store.write(
                place.with_suffix(".json"), {"figure": name, "notebook": notebook, "rows": [*rows["id"], *lacking]}
            )
        plt.close(chart)
        return chart

    def __repr__(self):
        import torch

        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
        base = self.base
        return (
            f"Profile {self.profile.name}, on {device}, {torch.get_num_threads()} threads. {self.profile.shows}\n"
            f"Where the plan names no other: corpus {Path(base.corpus).name}, encoder {Path(base.encoder).name}, "
            f"{len(self.seeds)} seeds. Rows are in {store.folder(self.profile.name).relative_to(REPORTS.parent)}."
        )


def _injected():
    """The names that papermill put into this kernel: those assigned in cells that it wrote."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    cells = shell.user_ns.get("In", []) if shell else []
    written = [cell for cell in cells if cell.lstrip().startswith("# Parameters")]
    return [
        target.id
        for cell in written
        for line in ast.parse(cell).body
        if isinstance(line, ast.Assign)
        for target in line.targets
    ]


def check_declared(names):
    """Raise TypeError for a parameter given to papermill that is not among these: papermill itself goes on without."""
    for name in _injected():
        if name not in names:
            raise no_such("parameter", name, names, TypeError)


def draw_as_svg():
    """Figures that a notebook shows become SVG, the same bytes at every run."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata={"Date": None, "Creator": None})
        plt.rcParams["svg.hashsalt"] = "bertstudy"  # without it, ids within a figure are drawn at random


def shown(table, digits=2, index=False, **formats):
    """A table to read: rounded, words to the left, blank where a value is missing, markup in names shown as text.

    formats: those of single columns, as in learning_rate="{:g}". Columns that the table does not have are passed over.
    """
    words = {name: [{"selector": "", "props": "text-align: left"}] for name in table.select_dtypes(exclude="number")}
    uuid = hashlib.sha256(table.to_csv().encode()).hexdigest()[:8]  # pandas would draw one at random
    styled = table.style.set_uuid(uuid)
    styled = styled.format(precision=digits, na_rep="", thousands=",", escape="html")
    for name in formats.keys() & set(table):
        styled = styled.format(formats[name], subset=[name])
    for axis in (0, 1):
        styled = styled.format_index(escape="html", axis=axis)
    return (styled if index else styled.hide(axis="index")).set_table_styles(words)


def _numbers(name, text, kind):
    """Numbers that a parameter lists, separated by blanks."""
    try:
        return [kind(one) for one in str(text).split()]
    except ValueError:
        example = "8 16 32" if kind is int else "1 0.9 0.5"
        raise ValueError(f"{name}={text!r}: give numbers separated by blanks, as in {name}={example!r}.") from None


def setup(
    *,
    profile="auto",
    seeds=0,
    data_dir="",
    steps=0,
    sources="",
    tasks="",
    splits="",
    rates="",
    decays="",
    sampling="",
    larger="",
    documents=0,
    **more,
):
    """Begin a notebook: check its parameters, choose the profile, and give the Study, whose repr says what it can show.

    Empty strings and zeros stand for the profile's own value. `steps` are those of further pretraining, `sources` the
    corpora for it beside those of `tasks` (a `corpus` that is given is the only task); `splits`, `rates` and `decays`
    are the numbers that 01, 03 and 04 try, `sampling` is how 07 draws its tasks, `larger` the second encoder of 09;
    lists are separated by blanks; `documents` is how many have their lengths measured; `more` are fields of Run. What
    is named is checked before the first run: raises TypeError for a name given to papermill that the notebook does not
    declare, ValueError for values out of range, and for a corpus or an encoder that can't be loaded.
    """
    from ..data import corpora
    from ..model.classifier import check_encoder
    from ..training.multitask import SAMPLINGS

    lists = {"splits": (splits, int), "rates": (rates, float), "decays": (decays, float)}
    names = ["profile", "seeds", "data_dir", "steps", "sources", "tasks", "sampling", "larger", "documents"]
    check_declared([*names, *lists, *more])
    chosen = find_profile(profile)
    if data_dir:
        os.environ["BERTSTUDY_DATA"] = str(corpora.data_folder(data_dir).absolute())
    if seeds < 0 or seeds != int(seeds):
        raise ValueError(f"seeds={seeds!r}: allowed is 0 (the profile's {chosen.seeds}) or a whole number above it.")
    if documents < 0 or documents != int(documents):
        raise ValueError(f"documents={documents!r}: allowed is 0 ({survey.DOCUMENTS:,}) or a whole number above it.")
    base = replace(chosen.base, **{name: value for name, value in more.items() if value})
    study = Study(chosen, base, seeds, steps, sources, tasks)
    study.base = base = study.reading()
    study.documents = documents or survey.DOCUMENTS
    if more.get("corpus"):
        study.corpora, study.tasks = [base.corpus], study.tasks if tasks else [base.corpus]
        study.corpus  # noqa: B018 - loaded, or an error that says why not
    study.splits, study.rates, study.decays = (_numbers(name, *given) for name, given in lists.items())
    study.sampling, study.larger = sampling or Run().multitask_sampling, larger or chosen.larger
    SAMPLINGS.find(study.sampling)
    for encoder in {base.encoder, *([larger] if larger else [])}:
        check_encoder(replace(base, encoder=encoder))
    for source in study.sources if sources not in ("", "none") else ():
        for name in corpora.sources(study.pretrained(source)):
            corpora.load_corpus(name)
    for name in study.tasks if tasks else ():
        corpora.load_corpus(name)
    draw_as_svg()
    return study


def notebook_path(name):
    """The notebook of this name, "05_fewshot" or only "05". Raises ValueError where there is none or more than one."""
    found = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if path.stem == name or path.stem.split("_")[0] == name]
    if len(found) != 1:
        raise no_such("notebook", name, [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))])
    return found[0]


def execute(name, stored=False, **parameters):
    """Run a notebook by papermill with these parameters, its figures written to the report, and render its page.

    With `stored` nothing is run: a figure whose runs are not all there says INCOMPLETE. Gives (page, seconds). The
    executed copy is in runs/; the page is reports/<profile>/<notebook>.html.
    """
    import papermill

    source, begin = notebook_path(name), time.perf_counter()
    profile = find_profile(parameters.get("profile", "auto")).name
    executed = RUNS / "executed" / profile / source.name
    executed.parent.mkdir(parents=True, exist_ok=True)
    told = {PUBLISHING: source.stem, **({STORED: "1"} if stored else {})}
    os.environ.update(told)
    try:
        papermill.execute_notebook(
            source,
            executed,
            {**parameters, "profile": profile},
            progress_bar=False,
            log_output=False,
            extra_arguments=["--IPKernelApp.log_level=50"],  # a kernel's own warnings say nothing of the study
        )
    finally:
        for variable in told:
            del os.environ[variable]
    return render(executed, REPORTS / profile / f"{source.stem}.html"), time.perf_counter() - begin


def render(executed, page):
    """An executed notebook as one self-contained HTML page: no scripts, no requests; code folded away."""
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(executed, as_version=4)
    exporter = HTMLExporter(
        template_name="page",
        extra_template_basedirs=[str(Path(__file__).parent)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        filters={"shows": _shows},
    )
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    for number, cell in enumerate(notebook.cells):  # papermill draws the id of its cell at random
        cell["id"] = f"cell-{number}"
    html, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    page = Path(page)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(html, encoding="utf-8")
    return page


def _shows(source):
    """What the figure of a cell shows."""
    named = re.search(r"figure\(\"(\w+)\"", source)
    return figures.shows(named[1] if named else "figure")


def redraw():
    """Draw every committed figure again from its rows. Gives the paths. Needs neither torch nor the corpora."""
    drawn = []
    for recipe in sorted(REPORTS.glob("*/figures/*.json")):
        one, profile = json.loads(recipe.read_text(encoding="utf-8")), recipe.parts[-3]
        kind = figures.FIGURES[one["figure"]].kind
        present = store.present(profile, one["rows"], kind)
        rows = store.rows(profile, present, kind)
        chart = figures.FIGURES[one["figure"]](rows)
        if len(present) < len(one["rows"]):
            figures.incomplete(chart, sorted(set(one["rows"]) - set(present)))
        figures.save(chart, figures.FIGURES[one["figure"]].data(rows), recipe.with_suffix(""))
        plt.close(chart)
        drawn.append(recipe.with_suffix(".svg"))
    return drawn
