"""A plan of 10,000 runs: made rows, read, judged, drawn and listed within a minute and 2 GB."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROWS = 10_000


def make_rows(folder):
    """Write a row for each run of notebook 05's plan with many seeds: committed ones with other predictions."""
    import numpy as np

    from bertstudy.paths import ROOT
    from bertstudy.results.rows import Store, name_of, squeeze, unsqueeze
    from bertstudy.study.planning import planned

    random, models = np.random.default_rng(0), {}
    for row in Store(ROOT / "reports" / "control" / "rows").all():
        models.setdefault((row["run"]["corpus"], row["run"]["method"]), row)
    store = Store(folder / "control" / "rows")
    store.folder.mkdir(parents=True)
    for run in planned("05_fewshot", "control", {"seeds": 400}).runs[:ROWS]:
        row, name = models[run.corpus, run.method], name_of(run)
        truth = unsqueeze(row["truth"])
        predictions = (truth + (random.random(len(truth)) < random.uniform(0.05, 0.3))) % len(row["labels"])
        told = {"id": name.id, "run": vars(run), "error": float(100 * (predictions != truth).mean())}
        store.path(name.id).write_text(json.dumps({**row, **told, "predictions": squeeze(predictions)}))


def measure():
    """Seconds of the index, the claims and the figures of these rows, and the most memory in GB."""
    import time

    from bertstudy import experiments, rows
    from bertstudy.study import site

    begin = time.perf_counter()
    site.build()
    table = rows("control")
    charts = [experiments.FIGURES[name](table) for name in ("few_shot", "rivals")]
    seconds = time.perf_counter() - begin
    status = Path("/proc/self/status").read_text()  # whose peak, unlike getrusage's, leaves the parent's out
    memory = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20
    print(json.dumps([len(table), seconds, memory, len(charts)]))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process' memory is read from /proc")
def test_ten_thousand_rows_are_listed_and_drawn_within_a_minute_and_two_gigabytes(tmp_path):
    make_rows(tmp_path)
    environment = {**os.environ, "BERTSTUDY_REPORTS": str(tmp_path)}
    told = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, check=True)
    count, seconds, memory, charts = json.loads(told.stdout.splitlines()[-1])
    assert (count, charts) == (ROWS, 2)
    assert seconds < 60
    assert memory < 2


if __name__ == "__main__":
    measure()
