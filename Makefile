# `make setup`, `make demo` and `make test` each work alone on a fresh clone.

PYTHON ?= python3
SEED ?= 0
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo test test-all coverage lint style types docs pictures clean

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

# What most commands import, without its tests; all that there is takes thrice as long. Torch has a
# file for 3.12 alone.
COMPILED := torch torchvision timm numpy scipy sympy matplotlib PIL rich huggingface_hub

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "decamo needs Python 3.11 or later; got $$($(PYTHON) --version); name another with make PYTHON=..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' src $(COMPILED:%=$(VENV)/lib/python3*/site-packages/%) || true
	@touch $@

demo: setup
	@DECAMO=$(BIN)/decamo SEED=$(SEED) sh scripts/demo.sh

lint: style types

style: setup
	$(BIN)/ruff format --check src tests benchmarks scripts notebooks train_ultimate.py
	$(BIN)/ruff check src tests benchmarks scripts notebooks train_ultimate.py

types: setup
	$(BIN)/mypy

# A process a core, each with one thread: more would wait for one another. Hundreds of processes are
# started, and none is to compile again what another has compiled, whatever the caller's shell says.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

# mypy has one thread, and tests wait now and then: it runs beside them and is heard after them.
BESIDE_TYPES = @$(BIN)/mypy >$(VENV)/types 2>&1 & types=$$!; \
  trap 'kill $$types; exit 130' INT TERM; \
  echo "$(1)"; $(1); tests=$$?; \
  wait $$types; types=$$?; echo mypy; cat $(VENV)/types; exit $$((tests | types))

test: style
	$(call BESIDE_TYPES,$(PYTEST))

test-all: style
	$(call BESIDE_TYPES,$(PYTEST) -m '')

# What fails is shown, and what was measured all the same.
coverage: setup
	rm -f .coverage .coverage.*
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest -n auto --dist worksteal; tests=$$?; \
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
