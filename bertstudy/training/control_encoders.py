"""Build the control encoders: small BERTs with a vocabulary of their own, pretrained on the general corpus.

python -m bertstudy.training.control_encoders
"""

import json
import logging
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

from ..data.control.bank import words
from ..data.control.corpora import general
from ..paths import PACKAGE
from ..registry import unique
from .pretraining import Pretraining, PretrainingModel, pretrain

LOG = logging.getLogger(__name__)
ENCODERS = PACKAGE / "data" / "control" / "encoders"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = {
    "control": dict(hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=512),
    "control-large": dict(hidden_size=192, num_hidden_layers=6, num_attention_heads=6, intermediate_size=768),
}
POSITIONS = 128
STEPS, WINDOW = 4000, 64
RATES = {"control": 2e-3, "control-large": 1e-3}
TEXTS = 20_000


def vocabulary() -> dict[str, int]:
    """Piece -> id: every word of the composed texts whole, and letters to spell any other word with."""
    marks = "abcdefghijklmnopqrstuvwxyz0123456789'-.,;:!?()\"&%$/。，？！"
    letters = [prefix + mark for mark in marks for prefix in ("", "##")]
    return {piece: number for number, piece in enumerate(unique([*SPECIAL, *words(), *letters]))}


def build(name: str, steps: int = STEPS, texts: int = TEXTS, folder: Path | None = None) -> list[dict]:
    """Pretrain the encoder of this name, write it in half precision, and give the history (see `pretraining.pretrain`).

    Its last entry has the held-out masked-LM loss, which a test measures again with the written weights.
    """
    folder = folder or ENCODERS / name
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = BertTokenizerFast(vocab=vocabulary(), do_lower_case=True)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    # Without dropout: so small a model does not overfit, and the CPU's fused attention has none.
    none = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=POSITIONS, **SIZES[name], **none)
    model = BertForPreTraining(config)
    model.save_pretrained(folder)
    settings = Pretraining(str(folder), steps=steps, learning_rate=RATES[name], window=WINDOW)
    history = pretrain(PretrainingModel(model), general(texts), settings, looks=10)
    model.half().save_pretrained(folder)
    record = {"settings": {**asdict(settings), "encoder": name}, "texts": texts, "history": history}
    (folder / "build.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return history


def main() -> None:
    """Build all control encoders and write them into the package."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in SIZES:
        last = build(name)[-1]
        LOG.info("%s: held-out loss %.3f, %.0f s", name, last["loss"], last["seconds"])


if __name__ == "__main__":
    main()
