# Everything runs through uv; where it is absent, it is brought into .venv with pip.
UV := $(shell command -v uv 2>/dev/null || echo .venv/bin/uv)
PY ?= python3
RUN := $(UV) run --frozen

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## Create .venv with everything from the lock file
	@if [ "$(UV)" = ".venv/bin/uv" ] && ! [ -x .venv/bin/uv ]; then \
	  $(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo "tapewatch needs Python 3.11 or newer as '$(PY)'; set PY=/path/to/python3.11"; exit 1; }; \
	  $(PY) -m venv .venv && .venv/bin/pip install -q uv \
	    || { echo "could not bring uv into .venv: is the venv module there (Debian: apt-get install python3-venv), and a package index in reach?"; exit 1; }; \
	fi
	@$(UV) sync --frozen -q --all-extras

.PHONY: demo
demo: setup ## Watch tapewatch find planted anomalies in a simulated market
	@$(RUN) tapewatch demo

.PHONY: lint
lint: setup ## Style and one-way imports
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) lint-imports

.PHONY: types
types: setup ## Strict types
	$(RUN) mypy

.PHONY: test
test: lint types ## Lint, types, every test
	$(RUN) pytest -n 2 --dist worksteal
	bash tests/coverage.sh

.PHONY: format
format: setup ## Rewrite to the house style
	$(RUN) ruff format .
	$(RUN) ruff check --fix .
