"""What a report tells the kernels of its notebooks, by variables of their environment."""

STORED = "BERTSTUDY_STORED"  # set while a report is made of the rows that are there, and nothing is run
REMAKE = "BERTSTUDY_REMAKE"  # set while a report is made whose stale rows are made again
PUBLISHING = "BERTSTUDY_PUBLISH"  # the notebook's name while a report is made: figures then go to reports/ as well
