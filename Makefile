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
ONE_PROCESS := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest
PYTEST := $(ONE_PROCESS) -n auto --dist worksteal

# Tests that mostly wait: for a cluster, for a file that never comes, for a server that is slow.
WAITING := tests/cluster tests/api/test_predicting_on_ray.py tests/races/test_remote_trials.py \
  tests/commands/test_stalls.py tests/mirror/test_uploading.py tests/mirror/test_local_copy.py \
  tests/data/test_stream.py tests/data/test_waiting.py tests/data/cache/test_filling.py \
  tests/data/audit/test_workers.py tests/evaluation/test_measurer.py tests/training/test_peers.py \
  tests/server tests/benchmarks/test_gradients.py

# mypy has one thread, and so do the tests that wait: both run beside the others and are heard after
# them.
define TESTS
@$(BIN)/mypy >$(VENV)/types 2>&1 & types=$$!; \
  $(ONE_PROCESS) $(1) $(WAITING) >$(VENV)/waiting 2>&1 & waiting=$$!; \
  trap 'kill $$types $$waiting; exit 130' INT TERM; \
  $(PYTEST) $(1) $(WAITING:%=--ignore %); tests=$$?; \
  for beside in waiting types; do \
    eval wait \$$$$beside || tests=1; echo $$beside; cat $(VENV)/$$beside; \
  done; exit $$tests
endef

test: style
	$(call TESTS)

test-all: style
	$(call TESTS,-m '')

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
