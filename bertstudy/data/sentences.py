"""Texts to sentences, as for the paper's further pretraining (§5.1): spaCy's rules in English, 。？！ in Chinese."""

import re
from functools import lru_cache

CHINESE = re.compile(r"[^。？！]*[。？！]+|[^。？！]+$")
HAN = re.compile(r"[\u4e00-\u9fff]")


@lru_cache(maxsize=1)
def _sentencizer():
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    pipeline.max_length = 10**8
    return pipeline


def split(text: str) -> list[str]:
    """The sentences of one text, none empty; a text with more than 30 % Chinese characters is split as Chinese."""
    if len(HAN.findall(text[:2000])) > 0.3 * len(text[:2000].strip()):
        parts = CHINESE.findall(text)
    else:
        parts = [sentence.text for sentence in _sentencizer()(text).sents]
    return [part.strip() for part in parts if part.strip()]


def mostly_one(texts: list[str], sample: int = 200) -> bool:
    """Whether most texts have a single sentence or none, judged by the first `sample` texts."""
    return sum(len(split(text)) < 2 for text in texts[:sample]) > len(texts[:sample]) / 2
