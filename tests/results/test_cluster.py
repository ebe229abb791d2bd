"""A cluster of two nodes on this machine: Ray, started and killed as on two machines."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest
from test_workers import TIMES

from bertstudy import Run, grid, setup
from bertstudy.choices.truncation import TRUNCATIONS, truncation
from bertstudy.data.corpora import LIBRARY
from bertstudy.results import plans
from bertstudy.results.rows import Store, name_of

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'bertstudy[cluster]'")
from bertstudy.results import cluster  # noqa: E402 - which needs Ray

pytestmark = pytest.mark.slow


class Nodes:
    """Nodes of a cluster, each as `ray start` makes it, with one CPU."""

    def __init__(self, folder):
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            self.port, self.client = one.getsockname()[1], other.getsockname()[1]
        self.address, self.folder, self.started = f"127.0.0.1:{self.port}", folder, []

    def start(self):
        ports = [f"--port={self.port}", f"--ray-client-server-port={self.client}"]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus=1", "--block"]
        command += [f"--address={self.address}"] if self.started else ["--head", "--include-dashboard=false", *ports]
        environment = {**os.environ, "BERTSTUDY_REPORTS": str(self.folder / "theirs"), "RAY_USAGE_STATS_ENABLED": "0"}
        told = self.folder / f"node-{len(self.started)}.log"
        with told.open("w") as log:
            node = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        self.started.append(node)
        while "Ray runtime started" not in told.read_text():
            assert node.poll() is None, told.read_text()
            time.sleep(0.1)

    def kill(self, number):
        """Kill a node with all its processes at once, as a machine that loses its power."""
        if self.started[number].poll() is None:
            os.killpg(self.started[number].pid, signal.SIGKILL)
            self.started[number].wait()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    both = Nodes(tmp_path_factory.mktemp("nodes"))
    try:
        both.start()
        both.start()
        yield both
    finally:
        for number in range(len(both.started)):
            both.kill(number)


def same(one, other):
    """Whether two tables of rows are equal but for times."""
    lines = ({name: row[name] for name in row if name not in TIMES} for row in one.to_dict("records"))
    return all(
        line == {name: row[name] for name in line} for line, row in zip(lines, other.to_dict("records"), strict=True)
    )


def losses(table):
    return [[epoch["loss"] for epoch in history] for history in table["history"]]


def test_forty_runs_are_made_once_each_though_a_node_is_lost_and_equal_those_made_here(small, tmp_path, nodes):
    plan, ours = grid(small, truncation=["head", "tail", "head+tail:8", "head+tail:4"], seed=range(10)), tmp_path / "c"
    here = plans.run_all(plan, Store(tmp_path / "here"), progress=False)

    def lose_a_node():
        while len(Store(ours).ids()) < 10:
            time.sleep(0.05)
        nodes.kill(1)

    thread = threading.Thread(target=lose_a_node)
    thread.start()
    there = plans.run_all(plan, Store(ours), progress=False, cluster=nodes.address)
    thread.join()
    assert len(there) == len(set(there["id"])) == len(Store(ours).ids()) == 40
    assert same(there, here)
    assert losses(there) == losses(here)
    assert not (nodes.folder / "theirs").exists()
    nodes.start()


def test_a_run_that_fails_is_told_with_its_id_and_the_others_are_made(small, tmp_path, nodes, caplog):
    plan, store = grid(small, seed=range(4)), Store(tmp_path / "rows")
    broken = replace(small, window=100_000)
    failed = f"run {name_of(broken).id}: ValueError: window=100000"
    with pytest.raises(ValueError, match=f"1 of 5 runs failed; .* The first: {failed}"):
        plans.run_all([broken, *plan], store, progress=False, cluster=nodes.address)
    assert plans.missing([broken, *plan], store) == [broken]
    assert f"Failed: {failed}" in caplog.text


def test_after_a_driver_is_killed_the_same_call_goes_on(small, tmp_path, nodes):
    code = (
        "import json, sys; from bertstudy import Run, grid; from bertstudy.results import plans;"
        "from bertstudy.results.rows import Store;"
        "plans.run_all(grid(Run(**json.loads(sys.argv[1])), seed=range(12)), Store(sys.argv[2]), progress=False,"
        " cluster=sys.argv[3])"
    )
    store = Store(tmp_path / "rows")
    command = [sys.executable, "-c", code, json.dumps(asdict(small)), str(store.folder), nodes.address]
    driver = subprocess.Popen(command)
    while len(store.ids()) < 3:
        time.sleep(0.05)
        assert driver.poll() is None
    driver.kill()
    driver.wait()
    kept = {row_id: store.path(row_id).stat().st_mtime_ns for row_id in store.ids()}
    assert 3 <= len(kept) < 12
    plans.run_all(grid(small, seed=range(12)), store, progress=False, cluster=nodes.address)
    assert len(store.ids()) == 12
    assert {row_id: store.path(row_id).stat().st_mtime_ns for row_id in kept} == kept


def test_a_notebook_makes_its_runs_on_a_cluster_with_its_own_choices(small, tmp_path, nodes, reports):
    @truncation("every_other_piece")
    def every_other_piece(ids, room):
        return [ids[::2][:room]]

    try:
        plan = grid(replace(small, truncation="every_other_piece"), seed=range(2))
        there = setup(profile="smoke", cluster=nodes.address).run_all(plan)
        here = plans.run_all(plan, Store(tmp_path / "here"), progress=False)
        assert same(there, here)
        assert set(there["truncation"]) == {"every_other_piece"}
    finally:
        del TRUNCATIONS["every_other_piece"]


def test_without_a_cluster_the_error_says_how_to_start_one(small, tmp_path):
    with pytest.raises(ValueError, match=r"cluster='127.0.0.1:1': there is no Ray cluster .*`ray start --head`"):
        plans.run_all([small], Store(tmp_path), cluster="127.0.0.1:1")


def test_a_run_asks_for_what_it_needs(small, monkeypatch):
    def cluster_of(*nodes):
        monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": node} for node in nodes])
        return cluster.Cluster(LIBRARY)

    words = Run(corpus="movies", encoder="none", method="tfidf")
    wide, narrow = (replace(small, encoder=name) for name in ("wide", "narrow"))
    monkeypatch.setattr(cluster, "width_of", lambda run: {"wide": 768, "narrow": 384, "none": 0}.get(run.encoder, 32))
    cpus = cluster_of({"CPU": 16.0}, {"CPU": 2.0})
    assert [cpus.asks(run) for run in (wide, narrow, small, words)] == [{"num_cpus": count} for count in (2, 2, 1, 1)]
    assert cluster_of({"CPU": 64.0}).asks(wide) == {"num_cpus": 4}
    gpus = cluster_of({"CPU": 16.0}, {"CPU": 8.0, "GPU": 2.0})
    assert gpus.asks(wide) == {"num_cpus": 1, "num_gpus": 1}
    assert gpus.asks(narrow) == gpus.asks(small) == {"num_cpus": 1, "num_gpus": 0.25}
    assert gpus.asks(words) == {"num_cpus": 1}
    assert gpus.told == "nodes 2, CPUs 24, GPUs 2"
