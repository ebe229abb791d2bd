"""reports/README.md: what the study shows, for those who read its code on a hosting site, without a build."""

from pathlib import Path

import pandas as pd

from .. import experiments as figures
from ..analysis.claims import interval, number
from ..analysis.deciding import p_shown
from ..paths import reports
from ..profiles import SHOWS
from ..results.rows import rows as stored_rows
from ..whole import write_text
from .telling import PROFILES, counted, finding, markdown_figure, shown_figures
from .verdicts import verdicts


def write() -> Path:
    """Write reports/README.md from the stored rows and figures. Gives its path. The same rows give the same bytes."""
    parts = [HEAD]
    for profile in PROFILES:
        table = stored_rows(profile)
        if len(table):
            parts += [
                f"## Profile {profile}: {len(table)} runs",
                SHOWS[profile],
                *_claims(profile),
                *_questions(profile),
            ]
    return write_text(reports() / "README.md", "\n\n".join(parts) + "\n")


HEAD = """# What the study shows

How should a BERT be fine-tuned for text classification? The experiments of Sun et al. (2019) were run again; below are,
for each profile (a scale to run them at), which findings hold, the paper's and some made since, and every question with
its figures.

Effects are differences in test error, in points, positive in the direction that the finding is about, with 95 %
intervals over seeds and test documents (of one seed: over test documents alone); the paper's are of single runs on
IMDb. A finding of several comparisons tells each, and is judged by the weakest. The least effect of interest is a tenth
of the error of the setting that is compared with. That something is better **holds** where the effect is surely above
zero, and **doesn't hold** where it is surely below the least of interest. That something is as good, or gains nothing,
**holds** where a loss, or a gain, of that size is excluded, and **doesn't hold** where there surely is one. "Surely" is
by p values adjusted over the findings of a notebook (Holm's method): the chance of any false verdict among them is at
most 5 %, later looks with more seeds counted. All planned seeds must be there, three at the least. **inconclusive**:
all else (`bertstudy next` says what would decide it). **not run**: this profile lacks the runs.

`bertstudy report` writes this file from the stored rows; `make report` also builds the pages in `reports/site/`."""


def _claims(profile: str) -> list[str]:
    """The claims as a table, judged by a profile's rows."""
    table = verdicts(profile)
    lines = ["| finding | verdict | effect | p | paper | seeds | labels | test documents |"]
    lines += ["|---|---|---:|---:|---:|---:|---:|---:|"]
    for claim in table.to_dict("records"):
        effect, paper = interval(claim), number(claim["paper"])
        made_of = " | ".join(
            "" if pd.isna(claim[name]) else f"{claim[name]:,.0f}" for name in ("seeds", "labels", "documents")
        )
        needs = f"; {claim['needs']}" if claim["needs"] else ""
        told, p = f"{finding(claim)} ({claim['section']})", p_shown(claim["p"])
        lines.append(f"| {told} | **{claim['verdict']}**{needs} | {effect} | {p} | {paper} | {made_of} |")
    return ["### Which findings hold", counted(table), "\n".join(lines)]


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
