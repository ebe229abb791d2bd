"""How a report passes its mode to the kernels of its notebooks: by environment variables."""

STORED = "BERTSTUDY_STORED"  # set while a report is made from stored rows alone, and nothing is run
REMAKE = "BERTSTUDY_REMAKE"  # "stale" while a report is made that makes stale rows again
PUBLISHING = "BERTSTUDY_PUBLISH"  # the notebook's name while a report is made: figures are then written to reports/ too
