"""The paper's findings as claims that stored rows support or refute, each with a verdict; needs no torch.

A claim contrasts runs that are equal in every field but those it is about, and pairs them by seed. Its effect is the
first setting's error less the second's, in points; its kind says which effects support it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .. import stats
from ..results.rows import wrong
from ..runs import DEFAULTS, fields_of
from . import paper

TRUNCATION = ("truncation", "segment_pooling")
PRETRAINING = fields_of("pretraining")
MULTITASK = ("learning_rate", *fields_of("multitask"))
MAIN = ("imdb", "movies")  # the paper's corpus for its analyses, and the composed one in its place
LONG = ("imdb", "long_reviews")
ALIKE = (*(name for name in DEFAULTS if name not in ("seed", "retention")), "measured")
USUAL = {"warmup": 0.1, "bias_correction": True, "max_grad_norm": 1.0}
WORST_FIRST = ("doesn't hold", "inconclusive", "holds weakly", "holds")
DOMAIN_WORDS = "Opinions use words of the domain, which the encoder has not met, beside everyday ones, which it knows."
NOT_RUN = dict.fromkeys(("corpus", "seeds", "documents", "effect", "low", "high", "p"))


@dataclass(frozen=True)
class Contrast:
    """Two settings: `first` and `second` say of a row whether it is one of theirs; only the fields `free` may differ.

    `over` names a field: of several values of it with rows, the smallest is compared. With `less` the effect at the
    largest value is subtracted, which leaves how much the effect falls between the two.
    """

    first: Callable
    second: Callable
    free: tuple[str, ...]
    paper: float  # the paper's effect, in points
    over: str = ""
    less: bool = False


@dataclass(frozen=True)
class Claim:
    """A finding of the paper. It holds where all its contrasts do.

    kind: "better" where the second setting is claimed to have the lower error, "as good" where it is claimed to be no
    worse, "no better" where it is claimed to gain nothing. least: the least effect of interest, in points. planted: why
    the finding is known to hold for the composed corpora, "" where it is not known: rows of these corpora that refute
    a planted finding show that the instrument is broken.
    """

    name: str
    statement: str
    section: str
    notebook: str
    contrasts: tuple[Contrast, ...]
    kind: str = "better"
    least: float = 0.5
    planted: str = ""


def after(
    source: str | Callable[[str], bool], multitask: bool = False, encoder: str = "", fraction: float | None = None
) -> Callable[[Any], bool]:
    """A condition on rows: whether one is fine-tuned on a corpus of MAIN after this further pretraining.

    source: a value of `further_pretraining`, or a function of it. multitask: whether after several tasks together too.
    encoder: "base" or "large", the shallower or the deeper of two; "": any. fraction: None: any. Rows that measure
    retention are not among them.
    """
    fits = source if callable(source) else lambda name: name == source
    return lambda row: (
        row.method == "fine_tune"
        and row.corpus in MAIN
        and fits(row.further_pretraining)
        and (row.multitask != "none") == multitask
        and (not encoder or (row.size_place == {"base": 0, "large": 1}[encoder]))
        and (fraction is None or row.fraction == fraction)
        and not row.measured
    )


def _placed(rows):
    """Rows with the columns that claims ask for: a row's place among the others by layer, rate, steps and depth."""
    rows = rows.assign(measured=rows["retention"].notna() & (rows["retention"] != "none"))
    single = rows["layers"].where(rows["layers"].str.isdecimal())
    rows["top_layer"] = pd.to_numeric(single).groupby(rows["encoder"]).transform("max")
    rates = rows["learning_rate"].where(
        rows["measured"] & np.logical_and.reduce([rows[name] == value for name, value in USUAL.items()])
    )
    rows["rate_place"] = rates.groupby(rows["corpus"]).rank("dense") - 1
    rows["rates"] = rates.groupby(rows["corpus"]).transform("nunique")
    steps = rows["pretraining_steps"].where(rows["further_pretraining"] == "within_task")
    alike = steps.groupby([rows[name] for name in ("corpus", "encoder", "fraction", "dev_fraction")])
    rows["step_place"], rows["step_places"] = alike.rank("dense") - 1, alike.transform("nunique")
    tuned = rows[(rows["method"] == "fine_tune") & rows["corpus"].isin(MAIN)]
    places = tuned.groupby(["corpus", "encoder"])["depth"].max().groupby("corpus").rank("first") - 1
    rows["size_place"] = [places.get(key, np.nan) for key in zip(rows["corpus"], rows["encoder"], strict=True)]
    return rows


def _settings(rows, contrast):
    """The settings in which both sides of a contrast have rows: (fields that they share, first rows, second rows)."""
    names = [name for name in ALIKE if name not in contrast.free]
    sides = [rows[[bool(fits(row)) for row in rows.itertuples()]] for fits in (contrast.first, contrast.second)]
    groups = [dict(list(side.groupby(names, sort=True))) if len(side) else {} for side in sides]
    for key in groups[0].keys() & groups[1].keys():
        pair = _after_as_many_steps([group[key] for group in groups])
        pair = [_one_setting(side, contrast.free).set_index("seed") for side in pair]
        seeds = pair[0].index.intersection(pair[1].index).sort_values()
        if len(seeds):
            yield dict(zip(names, key, strict=True)), *(side.loc[seeds] for side in pair)


def _after_as_many_steps(sides):
    """Two tables without the rows whose number of pretraining steps the other lacks; as they are if none is shared."""
    shared = set.intersection(*(set(side["pretraining_steps"]) for side in sides))
    return [side[side["pretraining_steps"].isin(shared)] if shared else side for side in sides]


def _one_setting(side, free):
    """Of rows that differ in the free fields, those of one setting: the one with most pretraining steps, then seeds."""
    settings = (rows for _, rows in side.groupby(list(free), sort=True, dropna=False))
    return max(settings, key=lambda rows: (rows["pretraining_steps"].iloc[0], len(rows)))


def _wrong(side):
    """Which test documents are errors: a list of arrays (documents) of 0 and 1, one per seed."""
    return [wrong(row).astype(int) for row in side.to_dict("records")]


def _but(setting, name):
    return {key: value for key, value in setting.items() if key != name}


def _effect(rows, contrast):
    """The setting, the two tables of rows and the stats.Effect of a contrast; None where there are no rows for it.

    How much an effect falls needs two seeds or more, and settings that differ in the field `over` alone.
    """
    settings = list(_settings(rows, contrast))
    if not settings:
        return None
    most = max(len(first) for _, first, _ in settings)
    settings = [entry for entry in settings if len(entry[1]) == most]
    settings.sort(key=lambda entry: (entry[0].get(contrast.over, 0), str(sorted(entry[0].items()))))
    setting, *sides = settings[0]
    first, second = map(_wrong, sides)
    if contrast.less:
        alike = [entry for entry in settings if _but(entry[0], contrast.over) == _but(setting, contrast.over)]
        last, *last_sides = alike[-1]
        if (
            last[contrast.over] == setting[contrast.over]
            or most < 2
            or list(last_sides[0].index) != list(sides[0].index)
        ):
            return None
        away = [_wrong(side) for side in last_sides]
        first = [errors + added for errors, added in zip(first, away[1], strict=True)]
        second = [errors + added for errors, added in zip(second, away[0], strict=True)]
    return setting, sides, stats.paired(first, second)


def verdict(kind: str, least: float, effect: stats.Effect) -> str:
    """What an effect with its interval says of a claim of this kind: one of WORST_FIRST.

    "better" holds where the interval is above zero ("weakly" if the effect is below `least`), and doesn't where the
    interval is below `least`. "as good" holds where the interval is above -least ("weakly" if the effect is negative),
    and doesn't where it is below zero. "no better" holds where the interval is below `least`, and doesn't where it is
    above zero. All else is inconclusive.
    """
    if kind == "better":
        if effect.low > 0:
            return "holds" if effect.effect >= least else "holds weakly"
        return "doesn't hold" if effect.high < least else "inconclusive"
    if kind == "as good":
        if effect.low > -least:
            return "holds" if effect.effect >= 0 else "holds weakly"
        return "doesn't hold" if effect.high < 0 else "inconclusive"
    if effect.high < least:
        return "holds"
    return "doesn't hold" if effect.low > 0 else "inconclusive"


def judge(claim: Claim, rows: pd.DataFrame) -> dict:
    """A claim's line, a dict: its effect with interval and p, the paper's effect, the verdict, and what is needed.

    `needs` says what would settle an inconclusive claim. Of several contrasts the line is that of the worst verdict,
    and among equals that of the smallest effect; "not run" where any of them lacks rows.
    """
    line = {"claim": claim.name, "statement": claim.statement, "section": claim.section, "notebook": claim.notebook}
    line |= {"kind": claim.kind, "least": claim.least, "planted": ""}
    results = [(contrast, _effect(rows, contrast)) for contrast in claim.contrasts]
    if any(result is None for _, result in results):
        return {**line, **NOT_RUN, "paper": claim.contrasts[0].paper, "verdict": "not run", "needs": ""}
    judged = [
        (verdict(claim.kind, claim.least, effect), effect, contrast, *rest) for contrast, (*rest, effect) in results
    ]
    decision, effect, contrast, setting, sides = min(
        judged, key=lambda entry: (WORST_FIRST.index(entry[0]), entry[1].effect)
    )
    needs = _needs(claim, effect, sides) if decision == "inconclusive" else ""
    numbers = {name: getattr(effect, name) for name in ("seeds", "documents", "effect", "low", "high", "p")}
    return {
        **line,
        "corpus": setting["corpus"],
        **numbers,
        "planted": claim.planted if setting["corpus"] in (MAIN[1], LONG[1]) else "",
        "paper": contrast.paper,
        "verdict": decision,
        "needs": needs,
    }


def _needs(claim, effect, sides):
    """What would show the least effect of interest, in words: a number of seeds, or more test documents."""
    if effect.seeds == 1:
        return "more seeds are needed"
    errors = [side["error"].astype(float) for side in sides]
    spread = float(np.mean([error.var(ddof=1) for error in errors])) ** 0.5
    seeds = stats.seeds_needed(claim.least, effect.documents, float(np.mean(errors)), spread)
    return f"about {seeds:,} seeds would tell" if seeds else "more test documents are needed"


def judged(rows: pd.DataFrame, claims: Iterable[Claim]) -> pd.DataFrame:
    """Claims as a table, one line each (see `judge`); p_holm: p adjusted by Holm's method over a notebook's claims."""
    placed = _placed(rows)
    table = pd.DataFrame([judge(claim, placed) for claim in claims])
    table["p_holm"] = table.groupby("notebook")["p"].transform(lambda p: stats.holm(p.astype(float)))
    return table


def noise_floor() -> pd.DataFrame:
    """Which differences in the paper's own tables are beyond chance, from the printed errors and test sizes alone.

    One line per difference to the table's reference: table, corpus, row, reference, difference in points (positive:
    the row is better), its 95 % interval (`stats.binomial_difference`), and whether that excludes zero.
    """
    decay = paper.decay()
    rates = [f"{line.learning_rate:g}, ξ {line.layer_decay:g}" for line in decay.itertuples()]
    tables = {
        "Table 2": (paper.long_text(), "head-only"),
        "Table 3": (pd.DataFrame({"IMDb": paper.layers()}), "Layer-11"),
        "Table 4": (pd.DataFrame({"IMDb": decay["error"].to_numpy()}, index=rates), "2e-05, ξ 1"),
        "Table 5": (paper.pretraining_sources(), "w/o pretrain"),
        "Table 6": (paper.comparison().filter(like="BERT-", axis=0), "BERT-Feat"),
        "Table 7": (paper.multitask(), "BERT-FiT"),
        "Table 8": (paper.larger().filter(like="BERT-", axis=0), "BERT-base"),
    }
    lines = []
    for name, (errors, reference) in tables.items():
        for corpus in [column for column in errors if column in paper.TEST_SIZES]:
            for row in errors.index.drop(reference)[errors[corpus].drop(reference).notna()]:
                pair = errors.at[reference, corpus], errors.at[row, corpus]
                difference = stats.binomial_difference(*pair, paper.TEST_SIZES[corpus])._asdict()
                lines.append({"table": name, "corpus": corpus, "row": row, "reference": reference, **difference})
    return pd.DataFrame(lines)
