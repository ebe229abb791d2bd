"""Composed reviews with a planted structure, so that what the study should find in them is known beforehand.

A provisional bank of phrases. A review opens, tells some of the plot and gives its verdict: near the beginning,
near the end, or both. `LABEL_NOISE` of the labels are wrong on purpose: no reader can do better.
"""

import numpy as np

COMPOSED = ("movies",)
LABEL_NOISE = 0.02
SIZES = (25_000, 5_000)  # train and test documents
VERDICT_AT = {"head": 0.3, "tail": 0.4, "both": 0.3}  # where a review says what it thinks

NAMES = ["anna", "boris", "clara", "david", "elena", "frank", "greta", "henry", "irene", "jonas", "karin", "leo"]
OPENINGS = [
    "we saw this on a wet thursday with {name}",
    "{name} had been asking for weeks to go",
    "the small cinema by the river showed it for one night",
    "this is the second picture of a young director",
    "i knew nothing about it when the lights went down",
    "my sister {name} brought the disc along",
]
PLOT = [
    "{name} inherits a lighthouse and a debt",
    "the story moves between a harbour town and the capital",
    "a letter arrives that was posted thirty years ago",
    "{name} plays a clerk who finds the wrong file",
    "half of it takes place on a night train",
    "two brothers share a workshop and hardly speak",
    "the camera stays close to the faces",
    "it runs for a little under two hours",
    "{name} drives the same road three times",
    "the music is played on a single cello",
    "there is a wedding and later a trial",
    "the second half is set ten winters on",
    "an old map turns up in the cellar",
    "{name} and the doctor meet on the ferry",
    "most scenes were shot in daylight",
    "a dog follows them to the border",
]
VERDICTS = {
    "pos": [
        "we enjoyed every minute of it",
        "the ensemble is luminous",
        "it is a lovely and generous picture",
        "the dialogue crackles",
        "i was happy from the first shot to the last",
        "the pacing is taut and the ending earned",
        "a wonderful evening that i would recommend to anyone",
        "nothing in it feels forced",
    ],
    "neg": [
        "we regretted every minute of it",
        "every line reading is wooden",
        "it is a dull and careless picture",
        "the third act sags",
        "i was bored from the first shot to the last",
        "the plot is muddled and the ending cheap",
        "an awful evening that i would wish on nobody",
        "not one joke in it lands",
    ],
}
TURNS = ["but", "still ,", "and yet", "all the same"]


def _review(random, label):
    def pick(options):
        return options[random.integers(len(options))].replace("{name}", NAMES[random.integers(len(NAMES))])

    other = "neg" if label == "pos" else "pos"
    place = list(VERDICT_AT)[random.choice(len(VERDICT_AT), p=list(VERDICT_AT.values()))]
    plot = [pick(PLOT) for _ in range(random.integers(2, 9))]
    verdict = pick(VERDICTS[label])
    if random.random() < 0.2:
        verdict = f"although {pick(VERDICTS[other])} , {pick(TURNS)} {verdict}"
    head = [verdict] if place in ("head", "both") else []
    tail = [pick(VERDICTS[label]) if place == "both" else verdict] if place != "head" else []
    return " . ".join([pick(OPENINGS), *head, *plot, *tail]) + " ."


def compose(name, sizes=SIZES, seed=0):
    """Train and test of a composed corpus, each (texts, class names). The same seed gives the same texts."""
    splits = []
    for part, size in enumerate(sizes):
        random = np.random.default_rng([seed, part])
        labels = random.permutation(np.arange(size) % 2)
        texts = [_review(random, ("neg", "pos")[label]) for label in labels]
        wrong = random.random(size) < LABEL_NOISE
        splits.append((texts, [("neg", "pos")[label] for label in labels ^ wrong]))
    return splits


def words():
    """Every word the composed corpora are made of."""
    phrases = [*OPENINGS, *PLOT, *VERDICTS["pos"], *VERDICTS["neg"], *TURNS, *NAMES, "although . ,"]
    return sorted({word for phrase in phrases for word in phrase.replace("{name}", "").split()})
