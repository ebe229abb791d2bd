"""The beginning of a notebook: parameters that can't be mistyped, a profile, a Study."""

import ast
import sys
from dataclasses import replace

from ..analysis import surveys
from ..choices.task_sampling import SAMPLINGS
from ..data.corpora import Library, data_folder
from ..data.sources import sources as sources_of
from ..model.classifier import check_encoder
from ..profiles import profile as find_profile
from ..registry import no_such
from ..runs import Run
from .display import draw_as_svg, show_remarks
from .study import Study


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
    lists = {"splits": (splits, int), "rates": (rates, float), "decays": (decays, float)}
    names = ["profile", "seeds", "data_dir", "steps", "sources", "tasks", "sampling", "larger", "documents"]
    check_declared([*names, *lists, *more])
    chosen = find_profile(profile)
    library = Library(str(data_folder(data_dir).absolute()) if data_dir else "")
    if seeds < 0 or seeds != int(seeds):
        raise ValueError(f"seeds={seeds!r}: allowed is 0 (the profile's {chosen.seeds}) or a whole number above it.")
    if documents < 0 or documents != int(documents):
        raise ValueError(f"documents={documents!r}: allowed is 0 ({surveys.DOCUMENTS:,}) or a whole number above it.")
    base = replace(chosen.base, **{name: value for name, value in more.items() if value})
    study = Study(chosen, base, seeds, steps, sources, tasks, library)
    study.base = base = study.reading()
    study.documents = documents or surveys.DOCUMENTS
    if more.get("corpus"):
        study.corpora, study.tasks = [base.corpus], study.tasks if tasks else [base.corpus]
        study.corpus  # noqa: B018 - loaded, or an error that says why not
    study.splits, study.rates, study.decays = (_numbers(name, *given) for name, given in lists.items())
    study.sampling, study.larger = sampling or Run().multitask_sampling, larger or chosen.larger
    SAMPLINGS.check(study.sampling)
    for encoder in {base.encoder, *([larger] if larger else [])}:
        check_encoder(replace(base, encoder=encoder))
    for source in study.sources if sources not in ("", "none") else ():
        for name in sources_of(study.pretrained(source)):
            study.load(name)
    for name in study.tasks if tasks else ():
        study.load(name)
    draw_as_svg()
    show_remarks()
    return study
