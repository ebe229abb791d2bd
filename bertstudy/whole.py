"""Writing files and folders whole or not at all: who reads one, at whatever moment, sees that before or the new one."""

import ctypes
import os
import shutil
import sys
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

AT_CWD, EXCHANGE = -100, 2  # of Linux' renameat2
SWAP = 2  # of macOS' renamex_np


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one moment; False where the system can't."""
    names = os.fsencode(one), os.fsencode(other)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            return library.renamex_np(*names, SWAP) == 0
        return library.renameat2(AT_CWD, names[0], AT_CWD, names[1], EXCHANGE) == 0
    except (AttributeError, OSError, TypeError):  # an older C library, or Windows
        return False


def check_writable(*folders: Path | str) -> None:
    """Make folders, where they are not there yet. Raises OSError for one that can't be written to, in a line."""
    for folder in folders:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise OSError(f"The folder {folder} can't be written to: {error.strerror}.") from error


@contextmanager
def whole_file(target: Path | str) -> Iterator[Path]:
    """A path to write a file at, which takes the place of `target` when it is written; its folder is made.

    Where writing fails, `target` stays as it was.
    """
    target = Path(os.path.realpath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_text(target: Path | str, text: str) -> Path:
    """Write a text file whole, in UTF-8. Gives its path."""
    with whole_file(target) as part:
        part.write_bytes(text.encode())
    return Path(target)


@contextmanager
def whole_folder(target: Path | str, leaving: Container[str] | None = None) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `target` when all is written.

    Where writing fails, `target` stays as it was. What is in `target` is taken over, but for the names in `leaving`;
    with None nothing is.
    """
    target = Path(os.path.realpath(target))
    making = target.with_name(f".{target.name}.{os.getpid()}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        yield making
        if leaving is not None and target.is_dir():
            _take_over(target, making, leaving)
        if not target.exists():
            making.replace(target)
        elif not _exchange(making, target):  # then there is a moment without
            before = target.with_name(f"{making.name}.before")
            target.replace(before)
            making.replace(target)
            before.replace(making)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _take_over(old, new, leaving):
    for path in old.iterdir():
        if path.name not in leaving and not (new / path.name).exists():
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, new / path.name)
