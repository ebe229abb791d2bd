"""Taking a classifier home: save in a format, load, push to the hub."""

import copy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import huggingface_hub
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from transformers import AutoConfig, AutoTokenizer

from ..registry import no_such
from ..runs import identity
from . import card, graph, stock
from .auto_config import BertstudyConfig
from .auto_model import BertstudyForSequenceClassification
from .loading import check_tokenizer, quiet
from .predictions import check_row, portable, replacing

NO_LIMIT = 10**30  # what transformers writes for a tokenizer that never truncates


def save(
    classifier: Any,
    folder: Path | str,
    row: dict | None = None,
    license: str | None = None,
    language: str | None = None,
    format: str = "bertstudy",
) -> None:
    """Write config, weights, tokenizer and model card into a folder: see `Classifier.save`."""
    run = portable(classifier.run)
    if format not in FORMATS:
        raise no_such("format", format, FORMATS)
    if row is not None:
        check_row(row, run, classifier.labels)
    write, use = FORMATS[format]
    with replacing(folder) as new:
        write(classifier, new)
        card.model_card(run, classifier.labels, row, license, language, use).save(new / "README.md")


def _write(classifier, folder):
    """Config, weights and tokenizer."""
    tokenizer = _without_limit(classifier.tokenizer)
    tokenizer.save_pretrained(folder)
    names = dict(enumerate(classifier.labels))
    BertstudyConfig(
        architectures=[BertstudyForSequenceClassification.__name__],
        encoder=classifier.encoder.config.to_diff_dict(),
        run=identity(portable(classifier.run)),
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        scale=classifier.scale,
        threshold=classifier.threshold,
        id2label=names,
        label2id={name: number for number, name in names.items()},
        problem_type="single_label_classification",
        dtype="float32",
    ).save_pretrained(folder)
    weights = {f"classifier.{name}": weight.contiguous().cpu() for name, weight in classifier.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


FORMATS = {  # what writes a folder of each, and how the card says that it is used
    "bertstudy": (_write, card.USE),
    "transformers": (stock.write_into, card.USE_STOCK),
    "onnx": (graph.write_into, card.USE_ONNX),
    "onnx-int8": (partial(graph.write_into, int8=True), card.USE_ONNX),
}


def _without_limit(tokenizer):
    """A copy that gives whole texts and does not warn of long ones: the model cuts them."""
    tokenizer = copy.deepcopy(tokenizer)  # `load_tokenizer` shares it
    tokenizer.model_max_length = NO_LIMIT
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def load(name: Path | str) -> Any:
    """The Classifier that `save` wrote in bertstudy's own format, from a folder or the hub: see `predicting.load`."""
    place = Path(name).expanduser()
    source = place if place.is_dir() else str(name)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        if place.is_dir():
            raise ValueError(f"{name}: its config.json can't be read. {_first_line(error)}") from error
        raise FileNotFoundError(
            f"{name}: there is no such folder, and the hub did not give a model of that name. Give a folder written by "
            f"Classifier.save, or the id of a model that push_to_hub made, such as 'me/reviews'."
        ) from error
    if not isinstance(config, BertstudyConfig):
        raise ValueError(f"{name}: a model of type {config.model_type!r}, not one that Classifier.save wrote.")
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            check_tokenizer(tokenizer, (config.cls_token_id, config.sep_token_id))
            model, info = BertstudyForSequenceClassification.from_pretrained(
                source,
                tokenizer,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
            _check_weights(model, info)
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{name}: the saved classifier can't be read. {_first_line(error)}") from error
    return model.classifier


def _check_weights(model, info):
    """Raise ValueError unless the weights are all there, of the config's sizes, and numbers."""
    for name, found, wanted in info["mismatched_keys"]:
        if name.startswith("classifier.head."):
            raise ValueError(f"config.json names {wanted[0]} labels, model.safetensors has {found[0]}.")
        raise ValueError(f"model.safetensors has {name} of shape {tuple(found)}, config.json asks for {tuple(wanted)}.")
    if lacking := [*info["missing_keys"], *info["unexpected_keys"]]:
        raise ValueError(f"its weights are not those of its config ({min(lacking)}); save the classifier again.")
    for name, weights in model.named_parameters():
        if not weights.isfinite().all():
            raise ValueError(f"model.safetensors has values in {name} that are no numbers; save the classifier again.")


def _first_line(error):
    return str(error).strip().partition("\n")[0]


def push_to_hub(
    classifier: Any,
    repo_id: str,
    private: bool = False,
    row: dict | None = None,
    license: str | None = None,
    language: str | None = None,
) -> str:
    """Upload what `save` writes into a model repository: see `Classifier.push_to_hub`."""
    api = huggingface_hub.HfApi()
    with TemporaryDirectory() as folder:
        classifier.save(folder, row, license, language)
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        if private and not api.model_info(repo_id).private:  # an existing one keeps its visibility
            raise ValueError(f"{repo_id} exists and is public. Make it private on the hub, or choose another name.")
        api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="A text classifier")
    return repo_id
