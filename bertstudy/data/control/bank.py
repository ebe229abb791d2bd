"""The phrase bank: sections of hand-written clauses in bank/*.txt, and the filling of their slots."""

import random
import re
from functools import lru_cache
from pathlib import Path

SLOT = re.compile(r"\{([^}]+)\}")
# slot -> (file, section) its fillers stand in; {number} is drawn
FILLERS = {
    "name": ("general", "names"),
    "surname": ("general", "surnames"),
    "place": ("general", "places"),
    "day": ("fillers", "day"),
    "title": ("fillers", "title"),
    "dish": ("fillers", "dish"),
    "thing": ("questions", "thing"),
    "person": ("questions", "person"),
    "spot": ("questions", "spot"),
    "short_form": ("questions", "short_form"),
    "人名": ("chinese", "names"),
    "地名": ("chinese", "places"),
}
NUMBERS = range(2, 91)


@lru_cache(maxsize=16)
def sections(name: str) -> dict[str, tuple[str, ...]]:
    """The sections of bank/<name>.txt: a dict of tuples of lines."""
    contents, lines = {}, None
    for line in Path(__file__).with_name("bank").joinpath(f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            lines = contents.setdefault(line[3:], [])
        elif line:
            lines.append(line)
    return {section: tuple(content) for section, content in contents.items()}


def fill(line: str, random: random.Random) -> str:
    """A line with its slots filled, and the slots in their fillers too."""

    def filler(match):
        if match[1] == "number":
            return str(random.choice(NUMBERS))
        file, section = FILLERS[match[1]]
        chosen = random.choice(sections(file)[section])
        return chosen.title() if section in ("names", "surnames", "places", "day") else chosen

    while "{" in line:
        line = SLOT.sub(filler, line)
    return line


def pieces(text: str) -> list[str]:
    """The word pieces of a text: words, marks and single Chinese characters, all of which are in the vocabulary."""
    return re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+|[^\w\s]", text.lower())


def words() -> list[str]:
    """Every word piece that composed texts can have, sorted."""
    names = [path.stem for path in Path(__file__).with_name("bank").glob("*.txt")]
    lines = [line for name in names for content in sections(name).values() for line in content]
    return sorted({piece for line in lines for piece in pieces(SLOT.sub(" ", line))} | {str(n) for n in NUMBERS})
