# Every target makes its own virtual environment in .venv; Python 3.11+ and git are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test test-unit check bench docs package clean
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml pyrunner/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "pyrunner needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## a small pipeline, from registration to its traces, with no GitLab at all
	@$(BIN)/python -m pyrunner demo

test: $(STAMP)  ## all tests
	@$(BIN)/python -m pytest -n 4 --dist worksteal --reruns 1

test-unit: $(STAMP)  ## the fast tests: no processes, no network
	@$(BIN)/python -m pytest tests/unit

check: $(STAMP)  ## types, lint, formatting
	@$(BIN)/mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

bench: $(STAMP)  ## overhead of a job, throughput, memory; a table and bench-results.json
	@$(BIN)/python -m bench

docs: $(STAMP)  ## the documentation as a site under build/docs; any broken link fails it
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@$(BIN)/python -m docsite
	@$(BIN)/python -m mkdocs build --strict --quiet

package: $(STAMP)  ## wheel, source archive, deb, rpm, single file and image under dist/; says which tool is missing
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist . > dist.log 2>&1 || { cat dist.log; rm -f dist.log; exit 1; }
	@rm -f dist.log
	@$(PYTHON) -m venv dist/.try && dist/.try/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	@dist/.try/bin/pyrunner --version
	@rm -rf dist/.try
	@$(BIN)/python packaging/make_package.py --out dist
	@ls dist

clean:  ## remove what the other targets made
	@rm -rf $(VENV) dist build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis bench-results.json
