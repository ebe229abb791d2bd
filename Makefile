# Each target makes .venv first where there is none. PYTHON chooses the interpreter it is made with, PROFILE the scale
# that `make report` runs at.
PYTHON ?= python3
PROFILE ?= control
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: setup report figures test test-slow test-all lab clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[cluster,log,offline,onnx,test]"
	touch $@

report: .venv/ready  ## run all notebooks, write reports/README.md, and build the pages in reports/site/
	@echo "Some two minutes where rows are stored, half an hour where all are computed; a bar shows how far it is."
	$(BIN)/bertstudy report --profile $(PROFILE)

figures: .venv/ready  ## draw all committed figures again from their rows
	$(BIN)/bertstudy figures

test: .venv/ready  ## lint, contracts, unit tests, canaries, one notebook
	@echo "Some four minutes on two cores."
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(PYTEST) -m "not slow"

test-slow: .venv/ready  ## what `make test` leaves out: every notebook, planted truths, reports, processes
	@echo "Some half an hour on two cores."
	$(PYTEST) -m slow

test-all: test test-slow

lab: .venv/ready  ## explore in JupyterLab
	$(BIN)/jupyter lab notebooks/05_fewshot.ipynb

clean:  ## remove what was made and is not in git
	rm -rf .venv runs reports/smoke reports/site
