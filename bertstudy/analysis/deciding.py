"""The rule by which claims are decided: at planned looks, over all claims of a notebook; needs no torch."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import pandas as pd

from .. import stats
from .claims import ANY_PLAN, SEEDS, Claim, Plan, judge, with_places

LEVEL = 0.05  # the chance of one false verdict or more, ever, among the claims of a notebook
FIRST = 0.8  # the share of LEVEL that is spent when the planned seeds are there; the rest is for later looks


def share(look: int) -> float:
    """The share of LEVEL that a look spends: FIRST at the planned seeds (0), of the rest half at twice as many (1), a
    quarter at four times as many, and so on: together never more than all."""
    return (1 - FIRST) / 2**look if look else FIRST


def judged(rows: pd.DataFrame, claims: Iterable[Claim], plans: Mapping[str, Plan]) -> pd.DataFrame:
    """Claims as a table, one line each (see `claims.judge`), with the verdict of each: holds, doesn't hold,
    inconclusive or not run.

    plans: of the notebooks. A claim is looked at when all its planned seeds are there, SEEDS at the least, and as long
    as it is inconclusive at twice as many, four times as many, and so on, always at the first so many seeds: seeds
    between two looks wait, and a verdict stays when more are run. Each look spends its `share` of LEVEL.

    Both p are adjusted by Holm's method over all claims of a notebook, those that are not looked at counted, each at
    half of the level (they are twice one-sided), so that the chance of any false verdict in a notebook is at most
    LEVEL. p: the one that speaks for the verdict, adjusted for all that, so that at most LEVEL decides. An effect that
    is surely above zero and surely below the least of interest is too small to matter: "better" doesn't hold, and "as
    good" and "no better" hold. `needs` says in words what would decide an inconclusive claim.
    """
    placed, claims = with_places(rows) if len(rows) else rows, list(claims)
    sized = [plan_for(claim, plans) for claim in claims]
    return at_looks(lambda place, most: judge(claims[place], placed, sized[place], most), [one.seeds for one in sized])


def plan_for(claim: Claim, plans: Mapping[str, Plan]) -> Plan:
    """The plan of a claim's notebook, with SEEDS seeds at the least."""
    plan = plans.get(claim.notebook, ANY_PLAN)
    return plan._replace(seeds=max(SEEDS, plan.seeds))


def at_looks(judge_one: Callable[[int, int], dict], planned: Sequence[int]) -> pd.DataFrame:
    """The table of `judged`: judge_one(place, seeds) judges a claim by its first so many seeds; planned: of each."""
    lines = [_at(0, judge_one(place, seeds), seeds) for place, seeds in enumerate(planned)]
    found = _decided(lines)
    for look in count(1):
        going = [place for place, line in enumerate(found) if line["verdict"] == "inconclusive" and _is_reached(line)]
        more = {place: _at(look, judge_one(place, planned[place] * 2**look), planned[place]) for place in going}
        more = {place: line for place, line in more.items() if _is_reached(line)}
        if not more:
            break
        lines = [more.get(place, line) for place, line in enumerate(lines)]
        now = _decided(lines)
        found = [now[place] if place in more else line for place, line in enumerate(found)]
    table = pd.DataFrame(found)
    open_ones = zip(found, beside(table), strict=True)
    return table.assign(needs=[_needs(*one) if one[0]["verdict"] == "inconclusive" else "" for one in open_ones])


def _at(look, line, planned):
    return line | {"look": look, "planned": planned}


def _is_reached(line):
    """Whether a claim has the seeds of its look."""
    return line["seeds"] == line["planned"] * 2 ** line["look"]


def _decided(lines):
    """The lines with p and verdict, of those at the newest look; the others have no say but are counted."""
    newest = max(line["look"] for line in lines)
    at_look = [line["look"] == newest and _is_reached(line) for line in lines]
    table = pd.DataFrame(lines)
    adjusted = [
        (table[name].astype(float) / share(newest)).where(at_look, 1).groupby(table["notebook"]).transform(stats.holm)
        for name in ("p_holds", "p_fails")
    ]
    adjusted = [p.where(at_look) for p in adjusted]
    verdicts = [_verdict(*one) for one in zip(table["kind"], table["seeds"], *adjusted, strict=True)]
    return [line | {"p": p, "verdict": verdict} for line, (verdict, p) in zip(lines, verdicts, strict=True)]


def _verdict(kind, seeds, holds, fails):
    """The verdict, and the adjusted p that speaks for it; of an inconclusive claim the smaller."""
    if pd.isna(seeds):
        return "not run", float("nan")
    told = [("holds", holds), ("doesn't hold", fails)]
    for verdict, p in reversed(told) if kind == "better" else told:
        if p <= LEVEL:
            return verdict, p
    return "inconclusive", min(holds, fails)


def beside(table: pd.DataFrame) -> pd.Series:
    """By how many claims of its notebook the level of each line of a table is divided at a later look."""
    return table.groupby("notebook")["notebook"].transform("size")


def seeds_to_decide(line: Mapping[str, Any], others: int) -> int | None:
    """At how many seeds a claim's line would be decided, if its effect is the one that was seen.

    Those planned, where they are not there; beyond them, those of the first look that has a power of 0.8 where the
    level is divided by so many claims (`beside`). None where no number of seeds has it.
    """
    if line["seeds"] < line["planned"]:
        return int(line["planned"])
    bounds = (-line["least"], 0) if line["kind"] == "as good" else (0, line["least"])
    clear = max(line["effect"] - bounds[0], bounds[1] - line["effect"])  # the farther bound is the sooner excluded
    seen = stats.Effect(**{name: line[name] for name in stats.Effect._fields})
    for look in count(int(line["look"]) + 1):
        needed = stats.seeds_needed(seen, clear, share(look) * LEVEL / others)
        if needed is None or needed <= line["planned"] * 2**look:
            return needed and int(line["planned"] * 2**look)


def _needs(line, others):
    """What would decide a claim, in words."""
    seeds = seeds_to_decide(line, others)
    if not seeds:
        return f"more than {line['documents']:,.0f} test documents are needed"
    runs = line["settings"] * (seeds - line["seeds"])
    return f"{seeds:,} seeds are needed, {runs:,.0f} runs more"


def p_shown(p: float) -> str:
    """A p as pages show it: to two digits, "< 0.001" below that, "" where there is none."""
    return "" if pd.isna(p) else f"{p:.2g}" if p >= 0.001 else "< 0.001"
