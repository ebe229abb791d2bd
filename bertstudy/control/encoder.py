"""The control encoder: a small BERT with a vocabulary of its own. Provisional: random weights, by a fixed seed."""

import shutil
from functools import lru_cache
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from ..paths import RUNS
from .corpora import words

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@lru_cache(maxsize=1)
def folder():
    """The encoder's folder, made on first use."""
    path = RUNS / "control-encoder"
    if not (path / "config.json").is_file():
        _build(path)
    return path


def _build(path):
    making = Path(f"{path}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    letters = [mark + letter for letter in "abcdefghijklmnopqrstuvwxyz0123456789'-.,!?" for mark in ("", "##")]
    vocabulary = list(dict.fromkeys([*SPECIAL, *words(), *letters]))
    tokenizer = BertTokenizerFast(vocab={piece: number for number, piece in enumerate(vocabulary)}, do_lower_case=True)
    tokenizer.save_pretrained(making)
    torch.manual_seed(0)
    size = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=256)
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=128, **size)
    BertModel(config, add_pooling_layer=False).save_pretrained(making)
    shutil.rmtree(path, ignore_errors=True)
    making.rename(path)
