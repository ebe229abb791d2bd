"""How a notebook is told what it is run for: by environment variables, which reach its kernel."""

STORED = "BERTSTUDY_STORED"  # set while a report is made from stored rows alone, and nothing is run
REMAKE = "BERTSTUDY_REMAKE"  # "stale" while a report is made that makes stale rows again
PUBLISHING = "BERTSTUDY_PUBLISH"  # the notebook's name while a report is made: figures are then written to reports/ too
PLANNING = "BERTSTUDY_PLANNING"  # set while the plan of a notebook is asked for: what it would run is raised
