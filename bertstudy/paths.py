"""Where things are: found from the package, so that it does not matter which folder a notebook is run from."""

import os
from pathlib import Path

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else Path.cwd()
NOTEBOOKS = ROOT / "notebooks"
RUNS = Path(os.environ.get("BERTSTUDY_RUNS", ROOT / "runs"))  # checkpoints, logs and locks; not in git
REPORTS = Path(os.environ.get("BERTSTUDY_REPORTS", ROOT / "reports"))  # rows, figures and pages
