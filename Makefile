# Everything runs through uv; where it is absent, it is brought into .venv with pip.
UV := $(shell command -v uv 2>/dev/null || echo .venv/bin/uv)
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PY ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
RUN := $(UV) run --frozen
export UV_PROJECT_ENVIRONMENT := .venv

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: uv
uv:
	@[ "$(UV)" != ".venv/bin/uv" ] || [ -x .venv/bin/uv ] || { \
	  "$(PY)" -c '$(FITS)' 2>/dev/null \
	    || { echo "tapewatch needs Python 3.11, 3.12 or 3.13, and found none: install one, or name it with PY=/path/to/python3.11"; exit 1; }; \
	  "$(PY)" -m venv .venv \
	    || { echo "$(PY) cannot make a virtual environment: its venv module is missing (Debian, Ubuntu: apt-get install python3-venv)"; exit 1; }; \
	  .venv/bin/python -m pip --disable-pip-version-check install -q uv \
	    || { echo "could not bring uv into .venv: is a package index in reach?"; exit 1; }; \
	}

.PHONY: setup
setup: uv ## Create .venv with everything from the lock file
	@$(UV) sync --frozen -q --all-extras --compile-bytecode
	@.venv/bin/python -m compileall -q src  # else each command compiles it again where PYTHONDONTWRITEBYTECODE is set

.PHONY: demo
demo: uv ## Watch tapewatch find planted anomalies in a simulated market
	@$(UV) sync --frozen -q --no-dev --inexact
	@.venv/bin/tapewatch demo

.PHONY: redis
redis:
	@sh tools/get_redis.sh

.PHONY: cluster
cluster: uv redis ## Run Kafka, Redis, Elasticsearch and all of tapewatch on this machine, without containers
	@$(UV) sync --frozen -q --no-dev --inexact --extra cluster
	@.venv/bin/tapewatch cluster $(CLUSTER)

.PHONY: lint
lint: setup ## Style and one-way imports
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) lint-imports

.PHONY: types
types: setup ## Strict types
	$(RUN) mypy

.PHONY: test
test: lint types redis ## Lint, types, every test (the real servers' too), coverage of the core
	$(RUN) bash tests/again.sh worksteal
	$(RUN) bash tests/servers_and_coverage.sh

.PHONY: quality
quality: setup ## Measure what the default rules find and what they disturb people with
	$(RUN) python benchmarks/quality/run.py

.PHONY: bench
bench: setup ## Measure the speed, peers side by side; writes benchmarks/speed/results (20 minutes on a quiet machine)
	@$(UV) sync --frozen -q --inexact --group bench
	$(RUN) --group bench python -m benchmarks.speed.run $(BENCH)

.PHONY: test-cluster
test-cluster: setup redis ## The tests on real Kafka, Redis and Elasticsearch, started as plain processes
	$(RUN) pytest -m "cluster and not faults and not combinations"

.PHONY: test-equality
test-equality: setup redis ## Embedded, inline and Celery on four tapes: every number of partitions and workers
	$(RUN) pytest -m combinations

FAULTS = benchmarks/cluster/results/faults

.PHONY: faults-short
faults-short: setup redis ## Every row of docs/faults.md on real servers, the long ones at 5 to 10 minutes (an hour)
	FAULTS_RESULTS=$(FAULTS)-short.json $(RUN) pytest -m faults

.PHONY: faults
faults: setup redis ## The same at full length, and two hundred faults on one tape (seven hours)
	FAULTS_LONG=1 FAULTS_COUNT=200 FAULTS_SECONDS=3000 FAULTS_RESULTS=$(FAULTS)-long.json $(RUN) pytest -m faults

.PHONY: bench-cluster
bench-cluster: setup redis ## Compare with hand-written loops and Kafka Streams on real servers (needs a JDK; an hour)
	$(RUN) python -m benchmarks.cluster.run $(BENCH)

.PHONY: format
format: setup ## Rewrite to the house style
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

.PHONY: docs
docs: setup ## Write the settings' reference again, from the code
	$(RUN) python tools/make_settings_docs.py

.PHONY: pictures
pictures: setup ## Draw docs/images again, from a run of the demo (needs tmux and pdftoppm)
	$(RUN) python tools/make_pictures.py

.PHONY: build
build: setup ## Build the wheel and the source archive into dist/
	$(UV) build
