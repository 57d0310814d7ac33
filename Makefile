# `make setup`, `make demo` and `make test` each work alone on a fresh clone.

PYTHON ?= python3
SEED ?= 0
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo test test-all coverage fast-tests lint style types docs pictures clean

help:
	@echo "make setup     a virtual environment in $(VENV) with everything in it"
	@echo "make demo      get a small network stuck, diagnose it, get it off again (minutes, no GPU)"
	@echo "make test      style, types and the fast tests"
	@echo "make test-all  the long tests too"
	@echo "make coverage  how much of the code the fast tests run, in all processes"
	@echo "make docs      the documentation as a site, in site/"
	@echo "make pictures  the README's pictures anew, from the demo (needs chromium)"
	@echo "make clean     remove what the demo and the tests leave"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "decamo needs Python 3.11 or later; got $$($(PYTHON) --version); name another with make PYTHON=..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt \
	  --editable '.[dev]'
	$(BIN)/python -m compileall -q src
	@touch $@

demo: setup
	@DECAMO=$(BIN)/decamo SEED=$(SEED) sh scripts/demo.sh

lint: setup
	$(BIN)/ruff format --check src tests benchmarks scripts notebooks train_ultimate.py
	$(BIN)/ruff check src tests benchmarks scripts notebooks train_ultimate.py
	$(BIN)/mypy

# A process a core, each with one thread: more would wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

test: lint
	$(PYTEST)

test-all: lint
	$(PYTEST) -m ''

# What fails is shown, and what was measured all the same.
coverage: setup
	rm -f .coverage .coverage.*
	OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest -n auto --dist worksteal; tests=$$?; \
	  $(BIN)/coverage combine --quiet && $(BIN)/coverage report && exit $$tests

docs: $(VENV)/.docs-ready
	$(BIN)/mkdocs build --strict --quiet

$(VENV)/.docs-ready: $(VENV)/.ready
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[docs]'
	@touch $@

pictures: setup
	test -f demo/scores.json || $(MAKE) demo
	$(BIN)/python scripts/pictures.py demo --out docs/pictures

clean:
	rm -rf demo site .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
