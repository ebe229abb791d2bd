"""The paper's Chinese corpus (§5.1): SogouCA and SogouCS together, the class read off the URL."""

import re
from pathlib import Path

import numpy as np

# "sports", "house", "business", "entertainment", "women", "technology": the channel of sohu.com a page stood in.
CHANNELS = {
    "sports": "sports",
    "house": "house",
    "business": "business",
    "yule": "entertainment",
    "women": "women",
    "it": "technology",
}
DOCUMENT = re.compile(r"<url>(.*?)</url>.*?<contenttitle>(.*?)</contenttitle>\s*<content>(.*?)</content>", re.DOTALL)
TRAIN, TEST = 9_000, 1_000  # documents a class


def read_raw(path):
    """(class, text) of the documents of one raw .dat file that belong to a class and have a text.

    The files are distributed in GB18030; a copy in UTF-8 is read as well. Full-width Latin letters and digits, which
    the archive uses throughout, become ordinary ones.
    """
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("gb18030", errors="replace")
    narrow = {code: code - 0xFEE0 for code in [*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)]}
    narrow[0x3000] = " "
    for url, title, content in DOCUMENT.findall(text):
        channel = re.match(r"https?://([a-z]+)\.sohu\.com", url.strip())
        if channel and channel[1] in CHANNELS and content.strip():
            yield CHANNELS[channel[1]], f"{title.strip()} {content.strip()}".translate(narrow)


def build(folder, train=TRAIN, test=TEST):
    """Train and test, each a list of (class, text), drawn once from all .dat files of a folder.

    Texts that stand twice are taken once. Raises ValueError where there are no files, or too few documents of a class.
    """
    paths = sorted(Path(folder).glob("*.dat"))
    if not paths:
        raise ValueError(f"{folder}: no .dat file of SogouCA or SogouCS here.")
    found = {name: {} for name in CHANNELS.values()}
    for path in paths:
        for name, text in read_raw(path):
            found[name].setdefault(text)
    short = {name: len(texts) for name, texts in found.items() if len(texts) < train + test}
    if short:
        counts = ", ".join(f"{name} {count:,}" for name, count in short.items())
        raise ValueError(f"{folder}: sogou takes {train + test:,} different documents a class; too few: {counts}.")
    random, parts = np.random.default_rng(0), ([], [])
    for name, texts in found.items():
        texts = list(texts)
        drawn = [(name, texts[index]) for index in random.permutation(len(texts))[: train + test]]
        parts[0].extend(drawn[:train])
        parts[1].extend(drawn[train:])
    return parts
