"""Where things are: found from the package, so that it does not matter which folder a notebook is run from."""

import os
from pathlib import Path

from platformdirs import user_data_path

PACKAGE = Path(__file__).parent
IS_CHECKOUT = (PACKAGE.parent / "pyproject.toml").is_file()
ROOT = PACKAGE.parent if IS_CHECKOUT else Path.cwd()


def home() -> Path:
    """The folder that results go to: BERTSTUDY_HOME, else the checkout, else the user's data folder."""
    if named := os.environ.get("BERTSTUDY_HOME"):
        return Path(named).expanduser()
    return PACKAGE.parent if IS_CHECKOUT else user_data_path("bertstudy")


def notebooks() -> Path:
    """The folder of the notebooks: the checkout's, or the one that is installed with the package."""
    return PACKAGE.parent / "notebooks" if IS_CHECKOUT else PACKAGE / "notebooks"


def runs() -> Path:
    """The folder of checkpoints, logs and locks, which is not in git: BERTSTUDY_RUNS, else runs/ in `home`."""
    return Path(os.environ.get("BERTSTUDY_RUNS", home() / "runs"))


def reports() -> Path:
    """The folder of rows and figures: BERTSTUDY_REPORTS, else reports/ in `home`."""
    return Path(os.environ.get("BERTSTUDY_REPORTS", home() / "reports"))


def site() -> Path:
    """The folder of pages, pictures and LaTeX tables, which are built from stored rows and not in git."""
    return reports() / "site"


def shown(path: Path) -> str:
    """A path as messages show it: relative to the project's folder if it is inside, else as it is."""
    path = Path(path)
    if IS_CHECKOUT and path.is_relative_to(reports().parent):
        return str(path.relative_to(reports().parent))
    return str(path)
