"""Taking a classifier home: save, load, push to the hub, and predict the texts of a file."""

import copy
import csv
import io
import json
import logging
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import huggingface_hub
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from transformers import AutoConfig, AutoTokenizer

from ..data import hub
from ..data.files import read_rows
from ..runs import identity
from ..whole import write_text
from . import card
from .auto_config import BertstudyConfig
from .auto_model import BertstudyForSequenceClassification
from .loading import quiet
from .predictions import check_row, portable, replacing
from .words import TYPE, WordsClassifier

LOG = logging.getLogger(__name__)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet may run
NUMBER = re.compile(r"[+-]\d+(\.\d+)?")
OWN = "own"  # of a threshold: the one that is stored in the classifier
NO_LIMIT = 10**30  # what transformers writes for a tokenizer that never truncates


def save(
    classifier: Any,
    folder: Path | str,
    row: dict | None = None,
    license: str | None = None,
    language: str | None = None,
) -> None:
    """Write config, weights, tokenizer and model card into a folder: see `Classifier.save`."""
    run = portable(classifier.run)
    if row is not None:
        check_row(row, run, classifier.labels)
    with replacing(folder) as new:
        _write(classifier, run, new)
        card.model_card(run, classifier.labels, row, license, language).save(new / "README.md")


def _write(classifier, run, folder):
    """Config, weights and tokenizer."""
    tokenizer = _without_limit(classifier.tokenizer)
    tokenizer.save_pretrained(folder)
    names = dict(enumerate(classifier.labels))
    BertstudyConfig(
        architectures=[BertstudyForSequenceClassification.__name__],
        encoder=classifier.encoder.config.to_diff_dict(),
        run=identity(run),
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


def _without_limit(tokenizer):
    """A copy that gives whole texts and does not warn of long ones: the model cuts them."""
    tokenizer = copy.deepcopy(tokenizer)  # `load_tokenizer` shares it
    tokenizer.model_max_length = NO_LIMIT
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def load(name: Path | str) -> Any:
    """The Classifier in a folder or on the hub: see `Classifier.load`."""
    place = Path(name).expanduser()
    if place.is_dir():
        if not (place / "config.json").is_file():
            raise FileNotFoundError(f"{name}: no config.json in it; give a folder written by Classifier.save.")
    else:
        hub.reachable()
    if _type_of(place) == TYPE:
        return WordsClassifier.load(place)
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
            _check_tokenizer(tokenizer, config)
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


def _check_tokenizer(tokenizer, config):
    """Raise ValueError unless the tokenizer is the one that the classifier was saved with."""
    marks = tokenizer.cls_token_id, tokenizer.sep_token_id
    if len(tokenizer) <= len(tokenizer.all_special_ids) or marks != (config.cls_token_id, config.sep_token_id):
        raise ValueError("tokenizer.json or tokenizer_config.json is missing, or of another encoder than config.json.")


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


def _type_of(folder):
    """The model type in a folder's config.json; None where that can't be read, for which `load` raises later."""
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        return None


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


def predict_file(
    name: Path | str,
    file: Path | str,
    text_column: str = "text",
    out: Path | str | None = None,
    encoding: str = "",
    threshold: float | str | None = None,
) -> None:
    """Predict the texts of a file (see `tables.read_table`) and write a CSV table, to stdout where `out` is None.

    name: a saved classifier's folder or hub id. The table's columns are row (data rows count from 1), label, and the
    probability of each class under the class's name; names that a spreadsheet would run as formulas are led by an
    apostrophe. A row without a text keeps its place and stays empty. threshold: a label stays empty where its
    probability is below it; OWN: the classifier's own. Raises ValueError or OSError that says what is wrong.
    """
    texts = read_rows(file, text_column, encoding)
    filled = [index for index, text in enumerate(texts) if text is not None]
    if not filled:
        raise ValueError(f"{file}: the column {text_column!r} has no text in it.")
    if out:
        _check_out(Path(out), file)
    classifier = load(name)
    if torch.cuda.is_available() and hasattr(classifier, "to"):
        classifier.to("cuda")
    if threshold == OWN and (threshold := classifier.threshold) is None:
        raise ValueError(f"threshold='{OWN}': no threshold is stored in {name}. Give a probability, such as 0.9.")
    labels, probabilities = classifier.predict([texts[index] for index in filled], progress=True, threshold=threshold)
    cells = [["", *[""] * len(classifier.labels)] for _ in texts]
    for index, label, row in zip(filled, labels, probabilities, strict=True):
        cells[index] = [label or "", *(f"{probability:.7g}" for probability in row)]
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(["row", "label", *map(inert, classifier.labels)])
    table.writerows([number, inert(label), *row] for number, (label, *row) in enumerate(cells, 1))
    if out:
        write_text(out, written.getvalue())
    else:
        sys.stdout.write(written.getvalue())
    if left := sum(label is None for label in labels):
        LOG.warning("%s: %d of %d texts are left to a person.", file, left, len(filled))
    if len(filled) < len(texts):
        LOG.warning("%s: %d rows without a text have no prediction.", file, len(texts) - len(filled))


def inert(cell: str) -> str:
    """A cell that no spreadsheet runs: one that begins as a formula does, and is no number, is led by an apostrophe."""
    return f"'{cell}" if cell[:1] in FORMULA and not NUMBER.fullmatch(cell) else cell


def _check_out(out, file):
    """Raise ValueError unless a table can be written to `out`: called before predicting, which may take long."""
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}. Make it, or choose another.")
    if out.is_dir():
        raise ValueError(f"--out {out}: choose a file, not a folder.")
    if out.exists() and out.samefile(file):
        raise ValueError(f"--out {out}: that is the file of texts; choose another name.")
