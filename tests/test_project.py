"""What stands in several files says the same in all of them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import bertstudy
from bertstudy.study.readme import FRONT, with_tables
from bertstudy.study.verdicts import verdicts

ROOT = Path(__file__).parents[1]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines):
    return {
        normal(name): version
        for name, version in re.findall(r"^\s*([\w.-]+)==(\S+)\s*$", "\n".join(lines), re.MULTILINE)
    }


CONSTRAINTS = pins((ROOT / "constraints.txt").read_text().splitlines())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_conda_users_get_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    listed = next(one["pip"] for one in environment["dependencies"] if isinstance(one, dict))
    ours = pins(listed)
    assert len(ours) >= 15
    assert ours == {name: CONSTRAINTS[name] for name in ours}
    asked = (
        "jupyterlab",
        "papermill",
        "torch",
        "transformers",
        "datasets",
        "matplotlib",
        "seaborn",
        "ipywidgets",
        "nbval",
    )
    assert set(asked) <= set(ours)


def test_every_requirement_is_pinned_in_the_constraints_and_open_in_the_package():
    extras = PROJECT["optional-dependencies"]
    for requirement in [
        *PROJECT["dependencies"],
        *(one for extra in extras.values() for one in extra),
    ]:
        assert normal(re.match(r"[\w.-]+", requirement)[0]) in CONSTRAINTS
        assert "==" not in requirement
    assert CONSTRAINTS["torch"] == "2.13.0"


def test_ci_runs_the_readmes_test_command():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    first_screen = readme[: readme.index("## ")]
    assert re.search(r"^make report\b", first_screen, re.MULTILINE)
    assert re.search(r"^make test\b", first_screen, re.MULTILINE)
    assert "\nmake test\n" in ci


def test_everything_the_readme_links_to_is_there():
    readme = (ROOT / "README.md").read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", readme) if not link.startswith("http")]
    assert len(links) > 3
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_module_has_a_docstring_and_no_lazy_name_is_missing():
    for path in (ROOT / "bertstudy").rglob("*.py"):
        assert path.read_text().startswith('"""'), path
    for name in bertstudy.__all__:
        assert getattr(bertstudy, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'grids'"):
        bertstudy.grids  # noqa: B018


def test_importing_the_package_is_light():
    code = "import sys, bertstudy; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


def test_no_file_has_two_jobs_and_nothing_built_is_in_git():
    long = [path for path in (ROOT / "bertstudy").rglob("*.py") if len(path.read_text().splitlines()) > 400]
    assert long == []
    listed = subprocess.run(["git", "ls-files", "reports"], cwd=ROOT, capture_output=True, text=True, check=True)
    kinds = {Path(name).suffix for name in listed.stdout.split()}
    assert kinds <= {".json", ".csv", ".svg", ".md"}
    assert [name for name in listed.stdout.split() if name.endswith(".md")] == ["reports/README.md"]


def test_the_readmes_tables_are_those_of_the_rows(monkeypatch):
    monkeypatch.setenv("BERTSTUDY_REPORTS", str(ROOT / "reports"))
    readme = (ROOT / "README.md").read_text()
    judged = verdicts(FRONT)
    assert with_tables(readme, judged) == readme
    emptied = re.sub(r"(?s)(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", r"\1\n\3", readme)
    assert len(emptied) < len(readme) - 2000
    assert with_tables(emptied, judged) == readme
    assert with_tables("No marks.", judged) == "No marks."


def test_the_walk_of_a_run_names_files_that_are_there_and_goes_one_way():
    walk = (ROOT / "CONTRIBUTING.md").read_text().split("## One run, from text to figure")[1].split("\n## ")[0]
    hops = re.findall(r"^\d\. `([\w/.]+)`", walk, re.MULTILINE)
    assert 5 < len(hops) <= 9
    assert [hop for hop in hops if not (ROOT / hop).is_file()] == []
    rooms = ["data", "model", "training", "results", "analysis", "experiments"]
    floors = [rooms.index(hop.split("/")[1]) for hop in hops]
    assert floors == sorted(floors)
