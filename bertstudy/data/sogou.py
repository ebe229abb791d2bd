"""The paper's Chinese corpus (§5.1): SogouCA and SogouCS together, the class read off the URL."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# The channel of sohu.com that a page was in -> its class.
CHANNELS = {
    "sports": "sports",
    "house": "house",
    "business": "business",
    "yule": "entertainment",
    "women": "women",
    "it": "technology",
}
DOCUMENT = re.compile(r"<url>(.*?)</url>.*?<contenttitle>(.*?)</contenttitle>\s*<content>(.*?)</content>", re.DOTALL)
NARROW = {code: code - 0xFEE0 for first, last in ("０９", "ＡＺ", "ａｚ") for code in range(ord(first), ord(last) + 1)}
NARROW[0x3000] = " "
TRAIN, TEST = 9_000, 1_000  # documents a class


def parse(path: Path | str) -> Iterator[tuple[str, str]]:
    """Yields (url, text) of the documents of one raw .dat file, the title before the content.

    The files are distributed in GB18030; a copy in UTF-8 is read as well. Full-width Latin letters and digits, which
    the archive uses throughout, become ordinary ones.
    """
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("gb18030", errors="replace")
    for url, title, content in DOCUMENT.findall(text):
        yield url.strip(), f"{title.strip()} {content.strip()}".translate(NARROW).strip()


def label_of(url: str) -> str | None:
    """The class of a page by the channel that it was in; None for a channel of no class."""
    channel = re.match(r"https?://([a-z]+)\.sohu\.com", url)
    return CHANNELS.get(channel[1]) if channel else None


def build(folder: Path | str, train: int = TRAIN, test: int = TEST) -> tuple[list, list]:
    """Train and test, each a list of (class, text), drawn once from all .dat files of a folder.

    Duplicate texts are taken once. Raises ValueError where there are no files, or too few documents of a class.
    """
    paths = sorted(Path(folder).glob("*.dat"))
    if not paths:
        raise ValueError(f"{folder}: no .dat file in it. Put those of SogouCA and SogouCS there.")
    by_class = {name: {} for name in CHANNELS.values()}
    for path in paths:
        for url, text in parse(path):
            if text and (name := label_of(url)):
                by_class[name].setdefault(text)
    short = {name: len(texts) for name, texts in by_class.items() if len(texts) < train + test}
    if short:
        counts = ", ".join(f"{name} {count:,}" for name, count in short.items())
        raise ValueError(f"{folder}: sogou needs {train + test:,} different documents a class; too few: {counts}.")
    random, parts = np.random.default_rng(0), ([], [])
    for name, texts in by_class.items():
        texts = list(texts)
        drawn = [(name, texts[index]) for index in random.permutation(len(texts))[: train + test]]
        parts[0].extend(drawn[:train])
        parts[1].extend(drawn[train:])
    return parts
