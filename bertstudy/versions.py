"""A number for each stage of computation, by which stored rows are known to be stale.

A number such as "2.1" has two parts. Raise the first when a change alters what a stage computes: rows with another
first part are stale. Raise the second when only the random stream changes and the distribution does not (a test over
seeds shows it): such rows are not stale. The canary runs (tests/canaries.py) fail when a stage's values change and its
number does not. What only one method computes is a stage by its name, whose number stands in the method's own file
(see choices/methods.py).
"""

STAGES = {
    "documents": "1.0",  # corpora, samples, dev parts, test documents, the texts of further pretraining
    "segments": "1.0",  # word pieces, truncation
    "encoder": "1.0",  # hidden states, poolings, the head
    "fine_tuning": "1.2",  # optimizer, schedules, loop, choice of the epoch
    "pretraining": "1.2",  # sentences, pairs, masks, its loop
    "multitask": "1.2",  # task sampling, its loop
    "retention": "1.0",  # masked-LM losses before and after, CKA
}

# Rows made before there were numbers have a hash of 13 files instead. Repeated runs show that all of them computed what
# "1.0" computes. For 7ff00eef36c4 (words) all 12 rows came out the same, bit for bit. For the others the code of
# commits that have the hash, or that lie before and after it, ran beside today's (MiniLM, IMDb, fp32, one thread):
# losses and predictions are the same, bit for bit. A hash with a stage that differs would have that stage in its dict.
LEGACY: dict[str, dict[str, str]] = {
    "187960c4a5a9": {},
    "6e228d9db4cc": {},
    "7ff00eef36c4": {},
    "86c1aafdbb75": {},
    "a025dde09450": {},
    "ceee2f0143d4": {},
}
FIRST, UNKNOWN = "1.0", "unknown"


def numbers_of(row: dict, stages: tuple[str, ...]) -> dict[str, str]:
    """The numbers that the given stages had when a row was made, by stage; UNKNOWN where the row does not say."""
    if row.get("stages"):
        return {stage: row["stages"].get(stage, UNKNOWN) for stage in stages}
    legacy = LEGACY.get(row["code"])
    return {stage: UNKNOWN if legacy is None else legacy.get(stage, FIRST) for stage in stages}


def results_of(number: str) -> str:
    """The part of a number that is raised when results change: "2" of "2.1"."""
    return number.partition(".")[0]


def stale(row: dict, stages: tuple[str, ...]) -> list[str]:
    """Those of the given stages whose results have changed since the row was made."""
    before = numbers_of(row, stages)
    return [stage for stage in stages if results_of(before[stage]) != results_of(STAGES[stage])]
