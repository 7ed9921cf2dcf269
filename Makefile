# `make seed` and `make test` each work alone, from a bare clone, with Python 3.11 or newer.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# The tests start many programs: compiled once, each of them starts in half the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help seed test coverage lint format types docs docs-check bench constraints clean

help:  ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

seed: $(VENV)/.run-installed  ## Seed catalog.json into the embedded service, on this machine.
	@$(BIN)/personas seed --auth embedded

test: $(VENV)/.dev-installed  ## Run the tests.
	$(BIN)/pytest

coverage: $(VENV)/.dev-installed  ## Run the tests and show what they do not reach.
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 0
	$(BIN)/coverage report --show-missing --skip-covered

lint: $(VENV)/.dev-installed  ## Check style, formatting and who imports whom.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: $(VENV)/.dev-installed  ## Format the code.
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

types: $(VENV)/.dev-installed  ## Check the types.
	$(BIN)/mypy

docs: $(VENV)/.dev-installed  ## Bring the generated documentation up to date.
	$(BIN)/python docs/generate.py

docs-check: $(VENV)/.dev-installed  ## Fail when generated documentation is stale.
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/.dev-installed  ## Measure speed, side by side, as ratios.
	$(BIN)/python bench/run.py

constraints: $(VENV)/.dev-installed  ## Pin every dependency anew.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header --no-annotate \
		--no-emit-index-url --upgrade pyproject.toml --output-file constraints.txt

clean:  ## Remove everything that was made here, the embedded service's data included.
	rm -rf $(VENV) .personas .coverage htmlcov build dist .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "creating $(VENV) with $$($$python --version)"; \
			exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3 …" >&2; exit 1

$(VENV)/.run-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing personas with its embedded service"
	@$(PIP) --editable '.[embedded]'
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing personas with its tools for development"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.run-installed
