# The targets are the jobs of continuous integration: `.ci/run` calls them by name.
# Every target that needs the environment makes it first; nothing needs to be activated.

PYTHON ?= python3
# `make gpu` runs on machines that bring their own JAX for the accelerator; the pinned one is for the CPU.
GPU_PYTHON ?= $(PYTHON)

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NOTEBOOKS := $(patsubst derivations/%.py,notebooks/%.ipynb,$(wildcard derivations/*.py))

# The type checker would ask the package index for a newer version of itself at every call.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.PHONY: setup lint test validate derivations notebooks docs bench slow gpu lock clean help

setup: $(INSTALLED) ## make .venv and install the pinned requirements into it

# pip, not uv: pip compiles byte code, without which the first import of every package is several times slower.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "sde_momentum needs Python 3.11 or newer, but $(PYTHON) is Python " + sys.version.split()[0] + ". Choose another: make PYTHON=/path/to/python3.12 setup")'
	@echo "Installing the pinned requirements into $(VENV); the first time takes a minute or two."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

lint: setup ## style, formatting, types, and the order of the rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --level error
	$(BIN)/lint-imports

test: setup ## the tests that take seconds
	$(BIN)/pytest

validate: setup ## measure every claim; leaves results/report.html
	$(BIN)/sde-momentum validate

derivations: setup ## run the derivation scripts
	$(BIN)/pytest tests/test_derivations.py

notebooks: $(NOTEBOOKS) ## executed notebooks of the derivation scripts, in notebooks/

notebooks/%.ipynb: derivations/%.py | setup
	@mkdir -p $(@D)
	$(BIN)/jupytext --quiet --to ipynb --output $@ $<
	$(BIN)/jupyter execute --inplace $@

docs: setup ## the documentation, in docs/_build/html; a warning is an error
	$(BIN)/sphinx-build --fail-on-warning --keep-going --builder html docs docs/_build/html

bench: setup ## the table of speeds, in tests/benchmarks/results/
	$(BIN)/python -m tests.benchmarks

slow: setup ## the tests that take minutes
	$(BIN)/pytest -m slow

gpu: ## the tests and speeds that need an accelerator, with the JAX of GPU_PYTHON
	PYTHONPATH=. $(GPU_PYTHON) -m pytest -m gpu -n 0
	PYTHONPATH=. $(GPU_PYTHON) -m tests.benchmarks --accelerator

lock: setup ## requirements.lock from pyproject.toml; UPGRADE=--upgrade takes the newest versions
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --no-header --no-annotate --python-version 3.11 \
	  --extra dev --extra docs pyproject.toml --output-file requirements.lock

clean: ## remove everything that the other targets made
	rm -rf $(VENV) build dist results notebooks docs/_build docs/generated docs/jupyter_execute docs/.jupyter_cache \
	  .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14
