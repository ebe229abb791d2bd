"""What to run next so that more claims are decided: each open claim's runs, their price, and the order."""

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import lru_cache

import nbformat
import numpy as np
import pandas as pd

from .. import experiments
from ..analysis import claims
from ..data.corpora import LIBRARY, Library
from ..model.loading import encoder_config, load_tokenizer
from ..model.predictions import reads_pairs
from ..model.segments import Segmenter
from ..registry import unique
from ..results import plans
from ..results.rows import Store, cores_of, name_of
from ..results.workers import cores, in_order
from ..runs import NO_ENCODER, Run, fields_of
from ..training.fine_tuning import epochs_of
from .modes import PLANNING
from .pages import notebook_path
from .study import Planned
from .verdicts import DECIDED, verdicts

FASTER = 3  # times that prediction is, compared with training, by piece
LATEST = 10  # rows by which a speed is told: earlier ones may be of another machine, or of slower code
SAMPLE = 200  # documents by which the length of a corpus' documents is told


@lru_cache
def plan_of(notebook: str, profile: str) -> list[Run]:
    """The runs of a notebook's plan in a profile: its cells are carried out up to the one that would make them."""
    names, before = {}, os.environ.get(PLANNING)
    os.environ[PLANNING] = "1"
    try:
        for cell in nbformat.read(notebook_path(notebook), as_version=4).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, notebook, "exec"), names)
                if "parameters" in cell.metadata.get("tags", ()):
                    names["profile"] = profile
    except Planned as planned:
        return unique(planned.runs)
    finally:
        os.environ.pop(PLANNING) if before is None else os.environ.update({PLANNING: before})
    return []


def _as_rows(plan):
    """A plan as rows are for claims: a line a run, with the run itself and what can be known before it is made."""
    depths = {run.encoder: _depth(run.encoder) for run in plan}
    lines = [{**asdict(run), "depth": depths[run.encoder], "whole": run} for run in plan]
    return claims.with_places(pd.DataFrame(lines))


def _depth(encoder):
    return np.nan if encoder == NO_ENCODER else encoder_config(encoder).num_hidden_layers


def runs_for(claim: claims.Claim, profile: str, seeds: int) -> list[Run]:
    """The runs that a claim compares in its notebook's plan, with so many seeds; [] where the plan doesn't reach it."""
    plan, wanted = plan_of(claim.notebook, profile), []
    if not plan:
        return []
    table = _as_rows(plan)
    for contrast in claim.contrasts:
        found = claims.compared(table, contrast)
        if found is None:
            return []
        wanted += [replace(side["whole"].iloc[0], seed=seed) for side in found[1] for seed in range(seeds)]
    return unique(wanted)


class Prices:
    """Core-seconds that runs will take, by the rows that there are: of runs alike, else by their pieces.

    Of an encoder without a row, the speed is that of another, by how much each multiplies for a piece.
    """

    def __init__(self, profile: str, library: Library = LIBRARY):
        rows, self.library, taken, speeds = list(Store.of(profile).all()), library, {}, {}
        for row in sorted(rows, key=lambda row: row["made"]):
            cores = cores_of(row)
            taken.setdefault(_but_seed(Run(**row["run"])), []).append(cores * row["seconds"]["all"])
            if row["history"] and (pieces := row["history"][-1].get("pieces")):
                speed = pieces / (cores * row["history"][-1]["seconds"])
                speeds.setdefault(row["run"]["encoder"], []).append(speed)
        self.known = {run: float(np.mean(seconds[-LATEST:])) for run, seconds in taken.items()}
        self.speeds = {encoder: float(np.median(measured[-LATEST:])) for encoder, measured in speeds.items()}

    def speed(self, encoder: str) -> float:
        """Pieces trained on in a core-second; nan where no row has an encoder."""
        others = [other for other in self.speeds if other != NO_ENCODER]
        if encoder in self.speeds or not others or encoder == NO_ENCODER:
            return self.speeds.get(encoder, np.nan)
        return float(np.mean([self.speeds[other] * _size(other) for other in others])) / _size(encoder)

    def of(self, run: Run) -> float:
        """Core-seconds of a run, without further pretraining; nan where nothing is known."""
        alike = _but_seed(run)
        if alike not in self.known:
            self.known[alike] = self._documents(run) * self._pieces(run) / self.speed(run.encoder)
        return self.known[alike]

    def _documents(self, run):
        """How many documents a run trains on, all epochs together, and those that it tests, by what these take."""
        corpus = self.library.of(run)
        labelled = round(run.fraction * len(corpus.train.texts))
        tested = min(run.test_size or len(corpus.test.texts), len(corpus.test.texts))
        return labelled * epochs_of(run, labelled) + tested / FASTER

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
        return steps * run.pretraining_batch_size * run.pretraining_window / self.speed(run.encoder)


def _size(encoder):
    """What a layer's matrices have in weights, times the layers: a piece is multiplied with each of them."""
    config = encoder_config(encoder)
    return config.num_hidden_layers * config.hidden_size**2


def _but_seed(run):
    return replace(run, seed=0)


def _encoder_of(run):
    """What names the further pretrained encoder that a run starts from."""
    return tuple(getattr(run, name) for name in ("encoder", *fields_of("pretraining")))


def proposals(profile: str) -> pd.DataFrame:
    """What to run next, in the order that decides most claims a minute: a line a claim that is open.

    Columns: claim, verdict, needs, runs (a list of `Run` without a row, less those of the lines above), minutes (of
    these on all cores, by measured speed; nan where nothing is known). A claim that the profile's plan does not
    reach, and one that no number of seeds decides, has no runs.
    """
    table, store, prices = verdicts(profile), Store.of(profile), Prices(profile)
    named = {claim.name: claim for claim in experiments.all_claims()}
    lines, planned = [], experiments.planned(profile)
    for line, level in zip(table.to_dict("records"), claims.later_levels(table), strict=True):
        if line["verdict"] in DECIDED:
            continue
        seeds = max(claims.SEEDS, planned.get(line["notebook"], 1))
        if line["verdict"] == "inconclusive":
            seeds = claims.seeds_to_decide(line, level)
        try:
            runs = runs_for(named[line["claim"]], profile, seeds) if seeds else []
            missing = [run for run in runs if name_of(run).id not in store]
            needs = line["needs"] or ("" if runs else "not in the plan of this profile")
        except ValueError as error:  # an encoder or a corpus that is not here keeps no other claim from being decided
            missing, needs = [], f"can't be run here: {re.split('[:.] ', str(error))[0]}"
        lines.append({**{name: line[name] for name in ("claim", "verdict")}, "needs": needs, "runs": missing})
    return pd.DataFrame(_cheapest_first(lines, prices), columns=["claim", "verdict", "needs", "runs", "minutes"])


def _cheapest_first(lines, prices) -> Iterator[dict]:
    """The lines, always that with the fewest minutes next, when runs and encoders of those before are made."""
    made, lines = set(), [*lines]

    def minutes(line):
        runs = [run for run in line["runs"] if run not in made]
        encoders = {_encoder_of(run): run for run in runs}
        known = {_encoder_of(run) for run in made}
        first = sum(prices.before(run) for encoder, run in encoders.items() if encoder not in known)
        return (sum(map(prices.of, runs)) + first) / (60 * cores())

    while lines:
        best = min(lines, key=lambda line: (not line["runs"], np.nan_to_num(minutes(line), nan=np.inf)))
        lines.remove(best)
        runs = [run for run in best["runs"] if run not in made]
        needs = best["needs"] if runs or not best["runs"] else "the runs above"
        yield {**best, "runs": runs, "minutes": minutes(best) if best["runs"] else np.nan, "needs": needs}
        made.update(runs)


def run_next(profile: str, minutes: float, proposed: pd.DataFrame, workers: int = 0) -> Iterator[tuple[str, str]]:
    """Carry proposals out, those that fit into the minutes, and yield (claim, its verdict) after each. Resumable: rows
    are stored one by one. workers: processes, as `plans.run_all` takes them."""
    for line in within(proposed, minutes).to_dict("records"):
        plans.run_all(in_order(line["runs"]), profile, workers=workers)
        yield line["claim"], verdicts(profile).set_index("claim").loc[line["claim"], "verdict"]


def within(proposed: pd.DataFrame, minutes: float) -> pd.DataFrame:
    """Those proposals with runs that, one after the other, fit into the minutes."""
    priced = proposed[proposed["runs"].map(bool) & proposed["minutes"].notna()]
    return priced[priced["minutes"].cumsum() <= minutes]
