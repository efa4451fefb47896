# Everything a developer does. `make demo` and `make test` need only Python 3.11 or newer with its
# venv module, git and make: they set up .venv from the locks in requirements/ the first time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
SBOM := sbom/titan-provenance.cdx.json
SBOM_COMMAND = env -u SOURCE_DATE_EPOCH $(BIN)/python -W ignore::UserWarning -m cyclonedx_py \
	requirements requirements/runtime.txt --pyproject pyproject.toml \
	--mc-type application --spec-version 1.6 --output-reproducible --output-format JSON
LOCKED := --constraints requirements/build.txt --constraints requirements/runtime.txt
SHELL_SCRIPTS := .ci/run tests/fresh-machine

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench docs sbom sbom-check lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.dev ## Set up .venv with everything that development needs

demo: $(VENV)/.runtime ## Show the whole path on a small embedded fleet, offline
	$(BIN)/titan-provenance demo

test: $(VENV)/.dev ## Run the tests (PYTEST="-k name" chooses)
	$(BIN)/pytest $(PYTEST)

lint: $(VENV)/.dev ## Check style, types, floors, workflows and shell syntax
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline .github
	for script in $(SHELL_SCRIPTS); do bash -n $$script || exit 1; done

format: $(VENV)/.dev ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

bench: $(VENV)/.dev ## Run the benchmarks
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark || exit 1; done

docs: $(VENV)/.dev ## Check links and Python snippets of the documents
	$(BIN)/pytest tests/test_docs.py

sbom: $(VENV)/.dev ## Write the bill of materials of the toolkit itself
	$(SBOM_COMMAND) --output-file $(SBOM)

sbom-check: $(VENV)/.dev ## Fail when the bill of materials is not that of the lock
	$(SBOM_COMMAND) --output-file - | diff -u $(SBOM) - || { echo "Run: make sbom" >&2; exit 1; }

lock: ## Choose new versions of all dependencies (needs uv)
	$(call compile,build,--group build)
	$(call compile,runtime,pyproject.toml)
	$(call compile,dev,pyproject.toml --group dev $(LOCKED))

clean: ## Remove .venv and everything that tools leave
	rm -rf $(VENV) build dist htmlcov .coverage
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find titan_provenance tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# One lock for every platform and every Python from 3.11, each file pinned by its hashes.
compile = uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade \
	--quiet --custom-compile-command "make lock" --output-file requirements/$(1).txt $(2)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one: make PYTHON=python3.13 setup" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: requirements/build.txt requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "installing what titan-provenance needs, pinned by requirements/runtime.txt"
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "installing what development needs, pinned by requirements/dev.txt"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
