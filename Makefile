# Everything runs in .venv, which is made on first use and again whenever pyproject.toml changes.
# Needed beforehand: make, and Python 3.11 or newer with pip and venv. Another Python: make PYTHON=python3.12 test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := $(VENV)/peers
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# A single test that takes longer says where it is, and its process ends; the longest takes one minute.
HANGS := -o faulthandler_timeout=900 -o faulthandler_exit_on_timeout=true

# Workers and the processes that tests start would compile every module anew: 3.5 s of 13 that collecting takes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help test slow demo docs bench fmt clean
.DELETE_ON_ERROR:
# Two pips at once in one environment would trip over each other.
.NOTPARALLEL:

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST))

test: $(VENV)/.dev ## lint, types, import contracts, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@# Without a cache mypy takes half a minute of one core: beside the tests that is a quarter of a minute of two.
	$(BIN)/mypy & types=$$!; $(BIN)/python -m pytest -n auto --dist worksteal; tests=$$?; wait $$types && exit $$tests

slow: $(VENV)/.dev ## the exhaustive sweeps that `make test` leaves out
	$(BIN)/python -m pytest -m slow -n auto --dist worksteal $(HANGS)

demo: $(VENV)/.demo ## a network from formula to trained, step by step
	$(BIN)/python -m symnn.demo

docs: $(VENV)/.dev ## the site, in build/site
	$(BIN)/python -m sphinx -b html -q -W --keep-going docs build/site
	@echo "open build/site/index.html"

bench: $(VENV)/.bench ## time the compiled networks beside their peers
	$(PEERS)/bin/python -m tests.benchmarks
	$(PEERS)/bin/python -m tests.benchmarks.training
	$(PEERS)/bin/python -m tests.benchmarks.physics
	$(PEERS)/bin/python -m tests.benchmarks.derivatives
	$(PEERS)/bin/python -m tests.benchmarks.shifts
	$(PEERS)/bin/python -m tests.benchmarks.matrices
	$(PEERS)/bin/python -m tests.benchmarks.checkpoints
	$(PEERS)/bin/python -m tests.benchmarks.lengths
	$(PEERS)/bin/python -m tests.benchmarks.sparse
	$(PEERS)/bin/python -m tests.benchmarks.programs
	$(PEERS)/bin/python -m tests.benchmarks.formulas --peers

fmt: $(VENV)/.dev ## sort imports, fix what can be fixed, format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean: ## remove caches and build leftovers (the environment stays: rm -rf .venv)
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find codegen symnn tests examples -name __pycache__ -prune -exec rm -rf {} +

# The stamps lie inside the environment, so that they vanish with it. The demo needs no JAX and no linters.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "installing symnn into $(VENV) (the first time takes a minute)"
	@$(PIP) --editable '.[sklearn,plot]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing symnn and its test tools into $(VENV) (the first time takes some minutes)"
	@$(PIP) --editable '.[sklearn,plot,compare,docs,dev]'
	@touch $(VENV)/.demo $@

# The peers have an environment of their own, because PyTensor wants an older Numba than the newest.
$(VENV)/.bench: pyproject.toml | $(BIN)/python
	@echo "installing symnn and its peers into $(PEERS) (the first time takes some minutes)"
	@$(BIN)/python -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --editable '.[sklearn,plot,compare,bench]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  found=$$($(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null || echo none); \
	  echo "symnn needs Python 3.11 or newer, found $$found as '$(PYTHON)'; try: make PYTHON=python3.12 ..." >&2; \
	  exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
