"""What to run next so that more claims are decided: each open claim's runs, their price, and the order."""

import re
from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from .. import experiments
from ..analysis import claims
from ..analysis.deciding import beside, plan_for, seeds_to_decide
from ..model.loading import encoder_config
from ..registry import unique
from ..results import plans
from ..results.workers import cores, in_order
from ..runs import NO_ENCODER, Run
from .planning import plan_of
from .prices import Prices
from .verdicts import DECIDED, verdicts


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
    table, size = _as_rows(plan), plan_for(claim, experiments.planned(profile))
    for contrast in claim.contrasts:
        found = claims.compared(table, contrast, size)
        if found is None:
            return []
        wanted += [replace(side["whole"].iloc[0], seed=seed) for side in found[1] for seed in range(seeds)]
    return unique(wanted)


def proposals(profile: str) -> pd.DataFrame:
    """What to run next, in the order that decides most claims a minute: a line a claim that is open.

    Columns: claim, verdict, needs, runs (a list of `Run` without a row, less those of the lines above), minutes (of
    these on all cores, by measured speed; nan where nothing is known). A claim that the profile's plan does not
    reach, and one that no number of seeds decides, has no runs.
    """
    table, prices = verdicts(profile), Prices(profile)
    named = {claim.name: claim for claim in experiments.all_claims()}
    lines = []
    for line, others in zip(table.to_dict("records"), beside(table), strict=True):
        if line["verdict"] in DECIDED:
            continue
        seeds = seeds_to_decide(line, others) if line["verdict"] == "inconclusive" else line["planned"]
        try:
            runs = runs_for(named[line["claim"]], profile, seeds) if seeds else []
            missing = plans.missing(runs, profile, remake="stale")
            needs = line["needs"] or ("" if runs else "not in the plan of this profile")
        except ValueError as error:  # an encoder or a corpus that is not here keeps no other claim from being decided
            missing, needs = [], f"can't be run here: {re.split('[:.] ', str(error))[0]}"
        lines.append({**{name: line[name] for name in ("claim", "verdict")}, "needs": needs, "runs": missing})
    return pd.DataFrame(_cheapest_first(lines, prices), columns=["claim", "verdict", "needs", "runs", "minutes"])


def _cheapest_first(lines, prices) -> Iterator[dict]:
    """The lines, always that with the fewest minutes next, when runs and encoders of those before are made."""
    made, lines = [], [*lines]

    def minutes(line):
        return prices.together(line["runs"], made) / (60 * cores())

    while lines:
        best = min(lines, key=lambda line: (not line["runs"], np.nan_to_num(minutes(line), nan=np.inf)))
        lines.remove(best)
        runs = [run for run in best["runs"] if run not in made]
        needs = best["needs"] if runs or not best["runs"] else "the runs above"
        yield {**best, "runs": runs, "minutes": minutes(best) if best["runs"] else np.nan, "needs": needs}
        made += runs


def run_next(
    profile: str, minutes: float, proposed: pd.DataFrame, workers: int = 0
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Carry proposals out, those that fit into the minutes, and yield (claim, all `verdicts` now) after each.
    Resumable: rows are stored one by one. workers: processes, as `plans.run_all` takes them."""
    for line in within(proposed, minutes).to_dict("records"):
        plans.run_all(in_order(line["runs"]), profile, workers=workers, remake="stale")
        yield line["claim"], verdicts(profile)


def within(proposed: pd.DataFrame, minutes: float) -> pd.DataFrame:
    """Those proposals with runs that, one after the other, fit into the minutes."""
    priced = proposed[proposed["runs"].map(bool) & proposed["minutes"].notna()]
    return priced[priced["minutes"].cumsum() <= minutes]


def told(proposed: pd.DataFrame, minutes: float) -> Iterator[str]:
    """Proposals in words, a line each, those that fit into the minutes marked, and what these take together."""
    fitting = within(proposed, minutes)
    fits = set(fitting["claim"])
    for line in proposed.to_dict("records"):
        mark = "*" if line["claim"] in fits else " "
        price = _priced(len(line["runs"]), line["minutes"]) if line["runs"] else "-"
        yield f"{mark} {line['claim']}: {line['verdict']}. {price}. {line['needs']}".rstrip(". ")
    together = _priced(sum(map(len, fitting["runs"])), fitting["minutes"].sum())
    yield "Nothing fits into the minutes." if fitting.empty else f"* fits in, {together} together; add --run to do it."


def _priced(runs, minutes):
    return f"{runs} run{'s' * (runs != 1)}, {minutes:,.{int(minutes < 10)}f} minutes"
