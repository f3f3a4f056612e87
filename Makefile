# Needs Python 3.11, 3.12 or 3.13, and make. Everything else goes into .venv; nothing is installed on the system.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install demo test bench soak fuzz lint format docs lock clean

VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
BENCH ?= *
JOBS ?= 2
SERVER ?=
DEMO_OUT ?= out/demo

# what is compiled once need not be compiled at every start
unexport PYTHONDONTWRITEBYTECODE

# no library reports home from here
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export GX_ANALYTICS_ENABLED := false
export PYANNOTE_METRICS_ENABLED := 0
export HF_HUB_DISABLE_TELEMETRY := 1

help: ## show this list
	@echo "Earwitness: who said what and when, with notes that cite their evidence, and clips."
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "Afterwards $(VENV)/bin/earwitness is the command. PYTHON=/path/to/python chooses the interpreter."

install: ## put everything into .venv (does nothing when it is up to date)
	@PYTHON="$(PYTHON)" sh .ci/install.sh $(VENV)

demo: install ## process a telephone call and a tabletop scene; results in out/demo
	@$(VENV)/bin/earwitness demo --out $(DEMO_OUT)

test: install ## run the tests (ARGS="-k word" to choose; SERVER=production: as deployments/compose.yaml has it)
	@# with several rooms at work, more threads in each only wait for one another
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} EARWITNESS_TEST_SERVER=$(SERVER) $(PY) -m pytest --numprocesses=$(JOBS) $(ARGS)

bench: install ## print the figures: speed, errors, the price of orchestration (minutes; BENCH=name for one)
	@for file in tests/bench/bench_$(BENCH).py; do \
		echo "== $$file"; $(PY) -m "tests.bench.$$(basename $$file .py)" $(ARGS) || exit 1; \
	done

soak: install ## kill runs at random moments and see that nothing is lost (ARGS="--kills 30 --minutes 20")
	@$(PY) -m tests.soak.soak $(ARGS)

fuzz: install ## hand in 2,000 damaged files and see that each is read or refused (ARGS="--seed 7 --cases 500")
	@$(PY) -m tests.hostile.fuzz $(ARGS)

lint: install ## check style, format and types
	@failed=; \
	for check in "ruff check ." "ruff format --check ." "mypy"; do \
		echo "== $$check"; $(PY) -m $$check || failed="$$failed, $$check"; \
	done; \
	[ -z "$$failed" ] || { echo "failed: $${failed#, }"; exit 1; }

format: install ## put the code into the house's format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

docs: install ## write the pages that are made from the code
	@$(PY) -m tests.options_page

lock: install ## after a change of pyproject.toml (ARGS=--upgrade: the newest allowed version of everything)
	@$(VENV)/bin/uv pip compile pyproject.toml --group dev --universal --generate-hashes \
		--no-header --no-emit-index-url -o requirements.lock --quiet $(ARGS)
	@# the image of Prefect's server: the same versions of less
	@cd deployments/images && ../../$(VENV)/bin/uv pip compile server.in -c ../../requirements.lock --universal \
		--python-version 3.12 --generate-hashes --no-header --no-emit-index-url --no-annotate -o server.lock --quiet
	@echo "requirements.lock and deployments/images/server.lock are new; run: make install test"

clean: ## remove .venv, caches and results of the demo
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
