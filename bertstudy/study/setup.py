"""The beginning of a notebook: parameters checked for mistakes, a profile, a Study."""

import ast
import logging
import sys
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..analysis.experiment import Experiment, whole
from ..choices.pooling import PIECE_POOLINGS
from ..data.corpora import Library, data_folder
from ..data.sources import sources as sources_of
from ..experiments import experiment as find_experiment
from ..model.loading import check_encoder
from ..model.locations import reads_mean
from ..profiles import profile as find_profile
from ..registry import brief, no_such
from ..results.plans import check_cluster
from .display import draw_as_svg, show_remarks
from .study import Study

LOG = logging.getLogger(__name__)


def injected_names() -> list[str]:
    """The names of the parameters that papermill passed to this kernel: those assigned in the cells that it wrote."""
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


def check_declared(names: Iterable[str]) -> None:
    """Raise TypeError for a parameter given to papermill that is not among these; papermill itself would ignore it."""
    for name in injected_names():
        if name not in names:
            raise no_such("parameter", name, names, TypeError)


def setup(
    experiment: str = "",
    *,
    profile: str = "auto",
    seeds: int = 0,
    data_dir: str = "",
    cluster: str = "",
    **given: Any,
) -> Study:
    """Begin a notebook: check its parameters, choose the profile, and give the Study, whose repr says what it can show.

    experiment: a file's name in experiments/, such as "decay"; "": none of them, for exploring. seeds: runs per
    setting. data_dir: a folder of corpora. cluster: the address of a Ray cluster that makes the runs, or "auto"
    (`plans.run_all`). given: parameters of the experiment and fields of Run. Empty strings and zeros mean the scale's
    own value; lists are separated by blanks. A `corpus` that is given is the only task.

    What is named is checked before the first run: raises TypeError for a name given to papermill that the notebook
    does not declare, ValueError for a value out of range and for a corpus or an encoder that can't be loaded.
    """
    check_declared(["profile", "seeds", "data_dir", "cluster", *given])
    question = find_experiment(experiment) if experiment else Experiment("", "", "")
    chosen = find_profile(profile)
    if not isinstance(data_dir, (str, Path)):
        raise TypeError(f"data_dir={brief(data_dir)}: expected the name of a folder, as in data_dir='corpora'.")
    library = Library(str(data_folder(data_dir).absolute()) if data_dir else "")
    own = {name: given.pop(name) for name in list(given) if name in question.parameters}
    scale = question.scale(chosen.name, **own)
    if whole("seeds", seeds):
        scale |= {"seeds": seeds}
    base = replace(chosen.base, **{name: value for name, value in given.items() if value})
    first_only = PIECE_POOLINGS.entry(base.piece_pooling).first_only
    if given.get("encoder") and not given.get("piece_pooling") and first_only and reads_mean(base.encoder):
        LOG.info("%s is read by the mean over pieces, as its files say it was trained.", base.encoder)
        base = replace(base, piece_pooling="mean")
    its = {name: scale[name] for name in ("corpus", "fraction") if name in scale and not given.get(name)}
    base = replace(base, **its)
    if given.get("corpus"):
        scale |= {name: [base.corpus] for name in ("tasks", "corpora") if name in scale and not own.get(name)}
    check_cluster(cluster)
    study = Study(question, chosen, base, scale, library, cluster)
    _check_loads(study, own, bool(given.get("corpus")), base.test_size if given.get("test_size") else 0)
    draw_as_svg()
    show_remarks()
    return study


def _check_loads(study, own, corpus_given, tested):
    """Load what the reader has named, so that a mistake is an error before the first run."""
    if corpus_given:
        study.corpus  # noqa: B018 - loaded, or an error that says why not
    there = len(study.corpus.test.texts) if tested else 0
    if tested > there:
        raise ValueError(
            f"test_size={tested}: {study.base.corpus} has {there:,} test documents. Give as many or fewer, as in "
            f"test_size={min(there, 1000)}, or 0 for the profile's."
        )
    check_encoder(study.base)
    with _about("larger", own):
        for encoder in study.scale.larger if own.get("larger") else ():
            check_encoder(replace(study.base, encoder=encoder))
    with _about("sources", own):
        sources = getattr(study.scale, "sources", []) if own.get("sources") else []
        for source in [sources] if isinstance(sources, str) else sources:
            for name in sources_of(study.pretrained(source)) if source != "none" else ():
                study.load(name)
    for parameter in ("tasks", "corpora"):
        with _about(parameter, own):
            for name in getattr(study.scale, parameter) if own.get(parameter) else ():
                study.load(name)


@contextmanager
def _about(parameter, own):
    """A context whose errors name the parameter that the reader gave."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{parameter}={brief(own.get(parameter))}: {error}") from error
