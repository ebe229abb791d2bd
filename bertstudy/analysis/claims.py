"""The paper's findings as claims that stored rows support or refute, each with a verdict; needs no torch.

A claim contrasts runs that are equal in every field but those it is about, and pairs them by seed. Its effect is the
first setting's error less the second's, in points; its kind says which effects support it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

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
FRACTIONS = frozenset(paper.few_shot()["fraction"])  # other samples are no evidence: curves of their own have them
USUAL = {"warmup": 0.1, "bias_correction": True, "max_grad_norm": 1.0}
LEAST = 0.1  # the least effect of interest, as a share of the first setting's error: half a point of the paper's five
FEW = 2  # fields, of which a contrast's values can be told in a line
SEEDS = 3  # without as many there is no verdict, however many the documents
DOMAIN_WORDS = "Opinions use words of the domain, which the encoder has not met, beside everyday ones, which it knows."
NUMBERS = ("seeds", "documents", "effect", "low", "high", "error", "freedom", "seeds_share")
NOT_RUN = dict.fromkeys(("corpus", "labels", *NUMBERS, "least", "settings", "p_holds", "p_fails"))


class Plan(NamedTuple):
    """What the plan of a notebook has in a profile: seeds, and the share of labelled documents (None: several)."""

    seeds: int = SEEDS
    fraction: float | None = None


ANY_PLAN = Plan()


@dataclass(frozen=True)
class Contrast:
    """Two settings: `first` and `second` say of a row whether it is one of theirs; only the fields `free` may differ.

    name: what it is about, where a claim has several. `over` names a field: of several values of it with rows, the
    smallest is compared, and of several numbers of labels the fewest. With `less` the effect at the largest value is
    subtracted, which leaves how much the effect falls between the two. `elsewhere` compares rows that were tested on
    another corpus than that of their training, and else there are none of these.
    """

    first: Callable
    second: Callable
    free: tuple[str, ...]
    paper: float  # the paper's effect, in points
    over: str = ""
    less: bool = False
    elsewhere: bool = False
    name: str = ""


@dataclass(frozen=True)
class Claim:
    """A finding of the paper. It holds where all its contrasts do.

    kind: "better" where the second setting is claimed to have the lower error, "as good" where it is claimed to be no
    worse, "no better" where it is claimed to gain nothing. planted: why the finding is known to hold for the composed
    corpora, "" where it is not known: rows of these corpora that refute a planted finding show that the instrument is
    broken.
    """

    name: str
    statement: str
    section: str
    notebook: str
    contrasts: tuple[Contrast, ...]
    kind: str = "better"
    planted: str = ""


def after(
    source: str | Callable[[str], bool], multitask: bool = False, encoder: str = "", fraction: float | None = None
) -> Callable[[Any], bool]:
    """A condition on rows: whether one is fine-tuned on a corpus of MAIN after this further pretraining.

    source: a value of `further_pretraining`, or a function of it. multitask: whether after several tasks together too.
    encoder: "base" or "large", the shallower or the deeper of two; "": any. fraction: None: any of FRACTIONS. Rows
    that measure retention are not among them.
    """
    fits = source if callable(source) else lambda name: name == source
    return lambda row: (
        row.method == "fine_tune"
        and row.corpus in MAIN
        and row.fraction in FRACTIONS
        and fits(row.further_pretraining)
        and (row.multitask != "none") == multitask
        and (not encoder or (row.size_place == {"base": 0, "large": 1}[encoder]))
        and (fraction is None or row.fraction == fraction)
        and not row.measured
    )


def with_places(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with the columns that claims ask for: a row's place among the others by layer, rate, steps and depth.

    The last layer is "last", also where it was named by its number, and of rows of the same run one is left.
    """
    rows = rows.assign(measured=rows["retention"].notna() & (rows["retention"] != "none"))
    rows["top_layer"] = rows.groupby("encoder")["depth"].transform("max") - 1
    single = pd.to_numeric(rows["layers"].where(rows["layers"].str.isdecimal()))
    rows["layers"] = rows["layers"].mask(single.notna() & (single == rows["top_layer"]), "last")
    rows = rows.drop_duplicates([*ALIKE, "seed"])
    rates = rows["learning_rate"].where(
        rows["measured"] & np.logical_and.reduce([rows[name] == value for name, value in USUAL.items()])
    )
    sample = [rows[name] for name in ("corpus", "encoder", "fraction", "dev_fraction")]
    rows["rate_place"] = rates.groupby(sample).rank("dense") - 1
    rows["rates"] = rates.groupby(sample).transform("nunique")
    steps = rows["pretraining_steps"].where(rows["further_pretraining"] == "within_task").groupby(sample)
    rows["step_place"], rows["step_places"] = steps.rank("dense") - 1, steps.transform("nunique")
    tuned = rows[(rows["method"] == "fine_tune") & rows["corpus"].isin(MAIN)]
    places = tuned.groupby(["corpus", "encoder"])["depth"].max().groupby("corpus").rank("dense") - 1
    rows["size_place"] = [places.get(key, np.nan) for key in zip(rows["corpus"], rows["encoder"], strict=True)]
    return rows.astype(dict.fromkeys(rows.select_dtypes("string"), object))  # whose values are many times faster to get


def _settings(rows, contrast, enough):
    """The settings in which both sides of a contrast have rows: (fields that they share, first rows, second rows)."""
    names = [name for name in ALIKE if name not in contrast.free]
    rows = rows[(rows["tested_on"] != "") == contrast.elsewhere]
    lines = [*rows.itertuples()]
    sides = [rows[[bool(fits(line)) for line in lines]] for fits in (contrast.first, contrast.second)]
    groups = [dict(list(side.groupby(names, sort=True))) if len(side) else {} for side in sides]
    for key in groups[0].keys() & groups[1].keys():
        pair = _after_as_many_steps([group[key] for group in groups])
        pair = [_one_setting(side, contrast.free, enough).set_index("seed") for side in pair]
        seeds = pair[0].index.intersection(pair[1].index).sort_values()
        if len(seeds):
            yield dict(zip(names, key, strict=True)), *(side.loc[seeds] for side in pair)


def _after_as_many_steps(sides):
    """Two tables without the rows whose number of pretraining steps the other lacks; as they are if none is shared."""
    shared = set.intersection(*(set(side["pretraining_steps"]) for side in sides))
    return [side[side["pretraining_steps"].isin(shared)] if shared else side for side in sides]


def _one_setting(side, free, enough):
    """Of rows that differ in the free fields, those of one setting: after the most steps of further pretraining, then
    with `enough` seeds or the most, then with the most usual values. Seeds beyond `enough` change nothing."""

    def rank(rows):
        usual = sum(rows[name].iloc[0] == DEFAULTS[name] for name in free)
        return rows["pretraining_steps"].iloc[0], min(len(rows), enough), usual

    return max((rows for _, rows in side.groupby(list(free), sort=True, dropna=False)), key=rank)


def _wrong(side):
    """Which test documents are errors: a list of arrays (documents) of 0 and 1, one per seed."""
    return [wrong(row).astype(int) for row in side.to_dict("records")]


def _but(setting, name):
    return {key: value for key, value in setting.items() if key != name}


def compared(
    rows: pd.DataFrame, contrast: Contrast, plan: Plan = ANY_PLAN, most: int | None = None
) -> tuple[dict, list[pd.DataFrame]] | None:
    """What a contrast compares in a table of rows: (setting, tables of rows by seed); None where there are no rows.

    The tables are those of the first setting and the second, of the first `most` seeds (None: all); with `less` then
    those of the second and the first at the largest value of the field `over`, whose effect is subtracted. That needs
    two seeds or more, and settings that differ in this field alone. Settings with the seeds of the plan come first, so
    that more seeds of one of them change nothing.
    """
    if plan.fraction:
        rows = rows[rows["fraction"] == plan.fraction]
    settings = list(_settings(rows, contrast, plan.seeds))
    if not settings:
        return None
    enough = min(plan.seeds, max(len(first) for _, first, _ in settings))
    settings = [(setting, *(side.iloc[:most] for side in sides)) for setting, *sides in settings]
    settings = [entry for entry in settings if len(entry[1]) >= min(enough, most or enough)]
    settings.sort(key=lambda entry: (entry[0].get(contrast.over, 0), entry[0].get("fraction", 0), str(entry[0])))
    setting, *sides = settings[0]
    if not contrast.less:
        return setting, sides
    alike = [entry for entry in settings if _but(entry[0], contrast.over) == _but(setting, contrast.over)]
    last, *last_sides = alike[-1]
    same_seeds = list(last_sides[0].index) == list(sides[0].index)
    if last[contrast.over] == setting[contrast.over] or len(sides[0]) < 2 or not same_seeds:
        return None
    return setting, [*sides, *last_sides[::-1]]


def _effect(rows, contrast, plan, most):
    """The setting of a contrast, its stats.Effect and the least effect of interest, in points; None without rows.

    The last is LEAST of the first setting's error, with `less` of that at the largest value. The setting has `labels`,
    the number of labelled documents, dev included, and `values` (`_values`).
    """
    found = compared(rows, contrast, plan, most)
    if found is None:
        return None
    first, second, *away = map(_wrong, found[1])
    least = 100 * LEAST * float(np.mean(away[1] if away else first))
    if away:  # what falls is the difference of two differences
        first, second = (
            [errors + others for errors, others in zip(*pair, strict=True)]
            for pair in ((first, away[0]), (second, away[1]))
        )
    labelled = max(one["train"] + one["dev"] for one in found[1][0]["documents"])
    setting = {**found[0], "labels": labelled, "values": _values(contrast, *found[1][:2])}
    return setting, stats.paired(first, second), least


def _values(contrast, first, second):
    """The values that differ of a contrast that is free in few fields, such as "layers: last against 4"; else ""."""
    if len(contrast.free) > FEW:
        return ""
    pairs = {name: [_shown(side[name].iloc[0]) for side in (second, first)] for name in contrast.free}
    return ", ".join(f"{name}: {new} against {old}" for name, (new, old) in pairs.items() if new != old)


def _shown(value):
    return value if isinstance(value, str) else f"{value:g}"


def evidence(kind: str, effect: stats.Effect, least: float) -> tuple[float, float]:
    """The p with which an effect says that a claim of a kind holds, and that with which it says that it doesn't.

    least: the least effect of interest, in points.

    "better" holds where the effect is above zero, and doesn't where it is below `least`. "as good" holds where it is
    above -least, and doesn't where it is below zero. "no better" holds where it is below `least`, and doesn't where it
    is above zero. Both are nan from fewer than SEEDS seeds.
    """
    if effect.seeds < SEEDS:
        return np.nan, np.nan
    if kind == "better":
        return effect.above(0), effect.below(least)
    if kind == "as good":
        return effect.above(-least), effect.below(0)
    return effect.below(least), effect.above(0)


def judge(claim: Claim, rows: pd.DataFrame, plan: Plan = ANY_PLAN, most: int | None = None) -> dict:
    """The evidence for a claim, a dict: its effect with interval and error, the paper's effect, p_holds and p_fails.

    A claim of several contrasts holds where all do, so that p_holds is the largest of theirs, and the line has the
    numbers of that contrast, but for the fewest seeds of all; it doesn't hold where one doesn't, so that p_fails is the
    smallest, adjusted for their number. least: the least effect of interest in points, LEAST of the first setting's
    error. settings: how many are compared, of each of which a seed is a run. detail: of several contrasts the effect of
    each, in words; of one that is free in few fields their values. labels: labelled documents. Numbers are None
    where rows are lacking; the paper's is then that of the contrast which is the weakest there.
    plan, most: as `compared` takes them.
    """
    line = {"claim": claim.name, "statement": claim.statement, "section": claim.section, "notebook": claim.notebook}
    line |= {"kind": claim.kind, "planted": "", "detail": ""}
    results = [(contrast, _effect(rows, contrast, plan, most)) for contrast in claim.contrasts]
    if any(result is None for _, result in results):
        papers = pd.Series([contrast.paper for contrast in claim.contrasts], dtype=float)
        return {**line, **NOT_RUN, "paper": papers.max() if claim.kind == "no better" else papers.min()}
    found = [
        (*evidence(claim.kind, effect, least), effect, contrast, setting, least)
        for contrast, (setting, effect, least) in results
    ]
    unjudged = any(np.isnan(holds) for holds, *_ in found)
    weakest = max(found, key=lambda one: (one[2].seeds < SEEDS, np.nan_to_num(one[0]), -one[2].effect))
    p_holds, _, effect, contrast, setting, least = weakest
    effects = [f"{other.name}: {interval(one._asdict())}" for _, _, one, other, *_ in found]
    return {
        **line,
        "corpus": setting["corpus"],
        "labels": setting["labels"],
        "detail": setting["values"] if len(found) == 1 else "; ".join(effects),
        **{name: getattr(effect, name) for name in NUMBERS},
        "seeds": min(one.seeds for _, _, one, *_ in found),
        "least": least,
        "planted": claim.planted if setting["corpus"] in (MAIN[1], LONG[1]) else "",
        "paper": contrast.paper,
        "settings": 4 if contrast.less else 2,
        "p_holds": np.nan if unjudged else p_holds,
        "p_fails": np.nan if unjudged else min(1.0, len(found) * min(fails for _, fails, *_ in found)),
    }


def number(value: float) -> str:
    """A number of points with its sign, as pages show it; "" where there is none."""
    return "" if pd.isna(value) else f"{value:+.2f}".replace("-", "−")


def interval(line: Mapping[str, Any]) -> str:
    """The effect of a claim's line with its interval, as pages show it; "" where nothing was run."""
    if pd.isna(line["effect"]):
        return ""
    return f"{number(line['effect'])} [{number(line['low'])}, {number(line['high'])}]"


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
