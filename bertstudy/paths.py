"""Where things are: found from the package, so that it does not matter which folder a notebook is run from."""

import os
from pathlib import Path

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else Path.cwd()
NOTEBOOKS = ROOT / "notebooks"


def runs() -> Path:
    """The folder of checkpoints, logs and locks, which is not in git: BERTSTUDY_RUNS, else runs/ beside the package."""
    return Path(os.environ.get("BERTSTUDY_RUNS", ROOT / "runs"))


def reports() -> Path:
    """The folder of rows and figures: BERTSTUDY_REPORTS, else reports/ beside the package."""
    return Path(os.environ.get("BERTSTUDY_REPORTS", ROOT / "reports"))


def site() -> Path:
    """The folder of pages, pictures and LaTeX tables, which are built from what is stored and not in git."""
    return reports() / "site"


def shown(path: Path) -> str:
    """A path as messages name it: from the project's folder where it is inside, whole elsewhere."""
    path = Path(path)
    return str(path.relative_to(reports().parent) if path.is_relative_to(reports().parent) else path)
