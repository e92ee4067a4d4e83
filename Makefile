# The README's commands. Each sets up what it needs in .venv; a second run starts at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The demo needs a tenth of what the tests need; what is there already is not installed again.
DEMO := $(VENV)/.demo
STAMP := $(VENV)/.installed
PIP = $(BIN)/pip install --quiet --constraint requirements/constraints.txt --editable

# `make test JOBS=2` spreads the tests over two processes, files and folders with costly fixtures undivided.
JOBS ?= 0
PYTEST = $(BIN)/python -m pytest --durations=15 --durations-min=1 -n $(JOBS)

.PHONY: demo test quick coverage lint types unit kernels docs wheel format system clean

demo: $(DEMO)
	$(BIN)/wmproof demo

test: lint types unit

lint: $(STAMP)
	! git grep -nE '^(<<<<<<<|>>>>>>>) '
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/deptry .
	$(BIN)/lint-imports --no-cache --no-logo

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(PYTEST)

# Machine code that many tests need, or each of their processes would compile it at once.
kernels: $(STAMP)
	$(BIN)/python -m wmproof.pverify.warm_up

# For between two edits, in two processes.
quick: JOBS = 2
quick: $(STAMP)
	$(PYTEST) -m quick

# Kernels are left out, processes that tests start are not.
coverage: $(STAMP)
	$(PYTEST) --cov --cov-report=term --cov-report=html

docs: $(STAMP)
	$(BIN)/mkdocs build --strict

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The wheel alone, in fresh environments, verifies what somebody else proved.
wheel:
	PYTHON=$(PYTHON) .ci/wheel

# What some tests need and no Python package brings, on Debian, as root; without it they are skipped.
system:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends openssl dataset-fashion-mnist chromium chromium-driver \
	  golang-go golang-golang-x-mod-dev nginx-light

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(DEMO): pyproject.toml requirements/constraints.txt | $(VENV)/bin/pip
	$(PIP) '.[demo]'
	touch $@

$(STAMP): pyproject.toml requirements/constraints.txt | $(VENV)/bin/pip
	$(PIP) '.[prove,train,serve,timestamps,experiments,remote,dev,docs]'
	touch $(DEMO) $@

clean:
	rm -rf $(VENV) build site demo-output .mypy_cache .ruff_cache .pytest_cache htmlcov .coverage .coverage.*
