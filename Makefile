# Each target makes .venv first where there is none. PYTHON chooses the interpreter it is made with.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup report figures test lab lint clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[offline,test]"
	touch $@

report: .venv/ready  ## run all notebooks and write their pages to reports/
	$(BIN)/python -m bertstudy report $(if $(PROFILE),--profile $(PROFILE))

figures: .venv/ready  ## draw all committed figures again from their rows
	$(BIN)/python -m bertstudy figures

test: .venv/ready  ## lint, tests, notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist worksteal

lab: .venv/ready  ## explore in JupyterLab
	$(BIN)/jupyter lab notebooks

clean:  ## remove what was made and is not in git
	rm -rf .venv runs reports/smoke
