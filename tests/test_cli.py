"""The command line: a wrong call is told in a line, with exit code 2, and leaves nothing half-written."""

import errno
import subprocess
from pathlib import Path

import pytest

from bertstudy import cli, grid, write_plan
from bertstudy.paths import reports
from bertstudy.results import plans, rows
from bertstudy.study import pages
from bertstudy.whole import write_text


def refused(capsys, *arguments, code=2):
    """What the command says on standard error when it refuses a call; checked to be one line without a traceback."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    assert left.value.code == code
    says = capsys.readouterr().err.strip()
    assert "Traceback" not in says
    return says.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report", "99_x"], "notebook='99_x' is unknown"),
        (["report", "05_fewshto"], "Did you mean '05_fewshot'"),
        (["report", "--profile", "papre"], "Did you mean 'paper'"),
        (["claims", "--profile", "papre"], "Did you mean 'paper'"),
        (["next", "--profile", "papre"], "Did you mean 'paper'"),
        (["next", "--minutes", "-1"], "'-1' is not allowed: give minutes above zero, such as 5"),
        (["next", "--minutes", "nan"], "'nan' is not allowed"),
        (["next", "--workers", "many"], "'many' is not allowed"),
        (["fit", "no.csv"], "train='no.csv': there is no such file"),
        (["fit", "no.csv", "--minutes", "inf"], "'inf' is not allowed"),
        (["bench", "training", "--documents", "0"], "'0' is not allowed: give a whole number above zero"),
        (["list", "truncatoins"], "Did you mean 'truncations'"),
        (["run", "05_fewshto"], "Did you mean '05_fewshot'"),
        (["run", "no.jsonl"], "no.jsonl"),
        (
            ["run", "05_fewshot", "--profile", "smoke", "-p", "data_dir", "5"],
            "data_dir=5: expected the name",
        ),
        (["run", "05_fewshot", "--profile", "smoke", "-p", "fraction", "x"], "fraction='x': expected"),
        (
            ["run", "05_fewshot", "--profile", "smoke", "--slurm", "job.sh", "--part", "0/2"],
            "--part goes without",
        ),
        (["run", "05_fewshot", "--profile", "smoke", "--slurm", "job.jsonl"], "would take its plan's place"),
        (["price", "--hour", "-1"], "'-1' is not allowed: give a price above zero"),
        (["price", "--profile", "papre"], "Did you mean 'paper'"),
        (["predict", "no-model", "no.csv"], "no.csv"),
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_told_in_a_line(capsys, monkeypatch, arguments, says):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert says in refused(capsys, *arguments)


def test_a_kind_of_several_fields_is_listed_by_field(capsys):
    cli.main(["list", "poolings"])
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert len(set(names)) == len(names) == 11
    assert {"piece_pooling=mean", "layers=mean", "segment_pooling=attention"} <= set(names)
    cli.main(["list", "schedules"])
    assert "slanted_triangular" in capsys.readouterr().out.split()


@pytest.mark.parametrize("command", [["report", "00"], ["figures"], ["notebooks", "{place}/new"]], ids=" ".join)
def test_a_folder_that_can_not_be_written_to_is_told_before_anything_runs(capsys, monkeypatch, tmp_path, command):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "reports"  # below a file there can be no folder
    monkeypatch.setenv("BERTSTUDY_REPORTS", str(place))
    monkeypatch.setattr(pages.papermill, "execute_notebook", lambda *_, **__: pytest.fail("it ran"))
    assert "file" in refused(capsys, *(part.format(place=place) for part in command))


def test_a_run_is_not_begun_where_its_row_can_not_be_written(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("bertstudy.results.execution.compute", lambda *_: pytest.fail("it ran"))
    with pytest.raises(OSError, match="rows can't be written to: Not a directory"):
        plans.run_all([small], rows.Store(tmp_path / "file" / "rows"), progress=False)


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, capsys):
    target = tmp_path / "page.html"
    write_text(target, "one")

    def full(path, content):
        with open(path, "wb") as file:
            file.write(content[:1])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(target, "two")
    assert target.read_text() == "one"
    assert list(tmp_path.iterdir()) == [target]
    monkeypatch.setenv("BERTSTUDY_REPORTS", str(tmp_path / "reports"))
    assert "No space left on device" in refused(capsys, "figures")
    assert [path for path in reports().rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_on_a_disk_that_is_really_full_rows_stay_whole_and_the_same_command_goes_on(
    small, tmp_path, monkeypatch, capsys
):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]  # room for a few rows
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here: that needs root")
    try:
        monkeypatch.setenv("BERTSTUDY_REPORTS", str(disk))
        plan = str(write_plan(grid(small, seed=range(6)), tmp_path / "plan.jsonl"))
        told = refused(capsys, "run", plan, "--profile", "smoke")
        assert "No space left on device. Rows and encoders that were made are kept" in told
        made = list(rows.Store.of("smoke").all())  # each of them can be read
        assert 0 < len(made) < 6
        assert {path.suffix for path in disk.rglob("*") if path.is_file()} == {".json"}
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        cli.main(["run", plan, "--profile", "smoke"])
        assert f"6 runs, {6 - len(made)} to be made." in capsys.readouterr().out
        assert len(rows.Store.of("smoke").ids()) == 6
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_interruption_says_what_is_kept(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(pages, "redraw", interrupted)
    assert "interrupted. Rows and encoders that were made are kept" in refused(capsys, "figures", code=130)


def test_a_notebook_that_fails_is_told_in_a_line_and_its_traceback_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BERTSTUDY_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "runs"))
    with pytest.raises(
        ValueError, match=r"05_fewshot: ValueError: fraction=7\.0: allowed is above 0, up to 1.*executed"
    ):
        pages.execute("05_fewshot", profile="smoke", fraction=7.0)
    assert "Traceback" in (tmp_path / "runs" / "executed" / "smoke" / "05_fewshot.ipynb").read_text()
