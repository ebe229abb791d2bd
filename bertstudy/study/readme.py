"""reports/README.md, and the tables of the project's README: what the study shows, for those who read its code on a
hosting site, without a build."""

from pathlib import Path

import pandas as pd

from .. import experiments as figures
from ..analysis.claims import interval, number
from ..analysis.crossing import DRAWS
from ..analysis.deciding import p_shown
from ..experiments.fewshot import RIVALS, crossings, rivals_data
from ..paths import IS_CHECKOUT, reports
from ..profiles import SHOWS
from ..registry import unique
from ..results.rows import rows as stored_rows
from ..whole import write_text
from .telling import PROFILES, counted, finding, markdown_figure, shown_figures
from .verdicts import DECIDED, verdicts

FRONT = "compact"  # the profile whose results the project's README tells
SIZES = (8, 32, 64, 250)  # labels a class, of its table of rivals


def write() -> Path:
    """Write reports/README.md from the stored rows and figures, and the tables of a checkout's README beside it. Gives
    the path of the first. The same rows give the same bytes."""
    parts, beside = [HEAD], reports().parent / "README.md"
    for profile in PROFILES:
        table = stored_rows(profile)
        if len(table):
            judged = verdicts(profile)
            parts += [
                f"## Profile {profile}: {len(table)} runs",
                SHOWS[profile],
                *_claims(judged, profile),
                *_questions(profile),
            ]
            if profile == FRONT and IS_CHECKOUT and beside.exists():
                write_text(beside, with_tables(beside.read_text(encoding="utf-8"), judged))
    return write_text(reports() / "README.md", "\n\n".join(parts) + "\n")


def with_tables(text: str, judged: pd.DataFrame) -> str:
    """A text with tables between its marks: <!-- found -->, of the claims judged (`verdicts(FRONT)`) those that are
    decided, and <!-- rivals -->. Without such marks it stays."""
    for name, table in (("found", _found(judged)), ("rivals", _rivals())):
        begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        if begin in text and end in text:
            text = text.partition(begin)[0] + begin + "\n".join(table) + end + text.partition(end)[2]
    return text


def _found(table):
    """The findings that are decided, as a table."""
    return [
        "| finding | verdict | effect, points | labels | seeds |",
        "|---|---|---:|---:|---:|",
        *(
            f"| {finding(claim)} | {claim['verdict']} | {interval(claim)} | {claim['labels']:,.0f} | "
            f"{claim['seeds']:.0f} |"
            for claim in table[table["verdict"].isin(DECIDED)].to_dict("records")
        ),
    ]


def _rivals():
    """The errors of all rivals where labels are few, and from how many labels on fine-tuning is better, as a table."""
    ids = next((figure.ids for figure in shown_figures(FRONT) if figure.name == "rivals"), [])
    rows = stored_rows(FRONT, ids)
    data, crossed = rivals_data(rows), crossings(rows)
    points = data[data["seeds"] >= DRAWS]
    errors = {(point.corpus, point.arm, point.each): f"{point.error:.1f}" for point in points.itertuples()}
    lines = [
        f"| corpus | way | {' | '.join(map(str, SIZES))} | fine-tuning is |",
        f"|---|---|{'---:|' * len(SIZES)}---|",
    ]
    for corpus, arm in unique(zip(points["corpus"], points["arm"], strict=True)):
        told = crossed.get(f"{corpus}: {RIVALS[arm]}", {"fine-tuning is": ""})
        numbers = " | ".join(errors.get((corpus, arm, size), "") for size in SIZES)
        lines.append(f"| {corpus} | {RIVALS[arm]} | {numbers} | {told['fine-tuning is']} |")
    return lines


HEAD = """# What the study shows

How should a BERT be fine-tuned for text classification? The experiments of Sun et al. (2019) were run again; below are,
for each profile (a scale to run them at), which findings hold, the paper's and some made since, and every question with
its figures.

Effects are differences in test error, in points: positive where what the finding names first errs less. They have 95 %
intervals over seeds and test documents (of one seed: over test documents alone); the paper's are of single runs on
IMDb. A finding of several comparisons lists them and is judged by the weakest; where settings differ in a field or two,
the values are in brackets. The least effect of interest is a tenth of the error of the setting that is compared with.
That something is better **holds** where the effect is surely above zero, and **doesn't hold** where it is surely below
the least of interest. That something is as good, or gains nothing, **holds** where a loss, or a gain, of that size is
excluded, and **doesn't hold** where there surely is one. "Surely" is by p values adjusted over the findings of a
notebook (Holm's method): the chance of any false verdict among them is at most 5 %, later looks with more seeds
counted. An interval is of one finding alone, and so may exclude what the verdict leaves open. All planned seeds must be
there, three at the least. **inconclusive**: all else (`bertstudy next` says what would decide it). **not run**: the
runs that would judge it are missing. Findings are judged on IMDb alone (control: movies) with the fewest labels of
their notebook, by all seeds that there are; figures show other corpora too, by the planned seeds.

The tenth was chosen when 284 of compact's runs had been seen; it was half a point before, which is a thirtieth or less
of MiniLM's errors with some hundreds of labels, and which 2,000 test documents can't exclude.

FiT: fine-tuned. Before it, ITPT, IDPT and CDPT: further pretrained on the task's own texts, on its domain's, on those
of all domains; MFiT: fine-tuned on several tasks together. BERT-Feat: an LSTM over the frozen encoder. hier.: the
segments of the whole text are read and pooled. ξ: a layer's learning rate, as a share of that of the layer above it.

`bertstudy report` and `bertstudy figures` write this file from the stored rows and build its pages, `reports/site/`."""


def _claims(table: pd.DataFrame, profile: str) -> list[str]:
    """The claims judged, as a figure and a table."""
    lines = ["| name | finding | verdict | effect | p | paper | seeds | labels | test documents |"]
    lines += ["|---|---|---|---:|---:|---:|---:|---:|---:|"]
    for claim in table.to_dict("records"):
        effect, paper = interval(claim), number(claim["paper"])
        made_of = " | ".join(
            "" if pd.isna(claim[name]) else f"{claim[name]:,.0f}" for name in ("seeds", "labels", "documents")
        )
        needs = f"; {claim['needs']}" if claim["needs"] else ""
        told, p = f"{finding(claim)} ({claim['section']})", p_shown(claim["p"])
        lines.append(
            f"| {claim['claim']} | {told} | **{claim['verdict']}**{needs} | {effect} | {p} | {paper} | {made_of} |"
        )
    forest = f"![The effect of each finding with its interval and verdict]({profile}/claims.svg)"
    return ["### Which findings hold", counted(table), forest, "\n".join(lines)]


def _questions(profile: str) -> list[str]:
    """Each question with its figures and a sentence of numbers."""
    every, parts = shown_figures(profile), []
    for experiment in sorted(figures.EXPERIMENTS.values(), key=lambda declared: declared.notebook):
        notebook = experiment.notebook
        own = [figure for figure in every if figure.notebook == notebook]
        if own:
            parts.append(f"### {experiment.question}\n\n[{notebook}](../notebooks/{notebook}.ipynb)")
            parts += [part for figure in own for part in markdown_figure(figure, profile)]
    return parts
