# `make seed` and `make test` each work alone, from a new clone, with Python 3.11 or newer.

VENV := .venv
BIN := $(VENV)/bin
LOWEST := $(VENV)-lowest
PIP := -m pip install --quiet --disable-pip-version-check

# The tests start many programs: with compiled modules, each starts in half the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help seed test lowest coverage lint format types docs docs-check bench constraints clean

help:  ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

seed: $(VENV)/.run-installed  ## Seed catalog.json into the embedded service on this machine.
	@$(BIN)/personas seed --auth embedded

test: $(VENV)/.dev-installed  ## Run the tests.
	$(BIN)/pytest

lowest: $(LOWEST)/.installed  ## Run one test per command with the lowest allowed dependencies.
	$(LOWEST)/bin/python -m pytest -n 0 tests/cli/test_commands.py

coverage: $(VENV)/.dev-installed  ## Run the tests and list the lines that they do not reach.
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 0
	$(BIN)/coverage report --show-missing --skip-covered

lint: $(VENV)/.dev-installed  ## Check style, formatting and imports between folders.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: $(VENV)/.dev-installed  ## Format the code.
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

types: $(VENV)/.dev-installed  ## Check the types.
	$(BIN)/mypy

docs: $(VENV)/.dev-installed  ## Update the generated documentation.
	$(BIN)/python docs/generate.py

docs-check: $(VENV)/.dev-installed  ## Fail if generated documentation is out of date.
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/.dev-installed  ## Measure speed side by side, as ratios.
	$(BIN)/python bench/run.py

constraints: $(VENV)/.dev-installed  ## Update the pinned versions of all dependencies.
	$(BIN)/python $(PIP) uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header --no-annotate \
		--no-emit-index-url --upgrade pyproject.toml --output-file constraints.txt

clean:  ## Remove everything that these commands created, including the embedded service's data.
	rm -rf $(VENV) $(LOWEST) .personas .coverage htmlcov build dist .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "creating $(VENV) with $$($$python --version)"; \
			exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "Python 3.11 or newer is required. Name one: make PYTHON=/path/to/python3 …" >&2; exit 1

$(VENV)/.run-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing personas with its embedded service"
	@$(BIN)/python $(PIP) --constraint constraints.txt --editable '.[embedded]'
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing personas with its development tools"
	@$(BIN)/python $(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.run-installed

# Direct dependencies of the package at their floors; the test tools stay as pinned.
$(LOWEST)/.installed: pyproject.toml constraints.txt | $(VENV)/.dev-installed
	@echo "installing the lowest allowed dependencies"
	@$(BIN)/python -m venv $(LOWEST)
	@$(BIN)/python $(PIP) uv
	@$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --editable '.[embedded]'
	@$(BIN)/uv pip freeze --quiet --python $(LOWEST)/bin/python --exclude-editable > $(LOWEST)/floors.txt
	@$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --constraint $(LOWEST)/floors.txt \
		hypothesis pytest pytest-httpserver pytest-xdist respx
	@touch $@
