# Needs Python 3.11, 3.12 or 3.13, and make. Everything else goes into .venv; nothing is installed on the system.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install demo test bench lint format lock clean

VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
DEMO_OUT ?= out/demo

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
	@PYTHON="$(PYTHON)" sh tools/install.sh $(VENV)

demo: install ## process a telephone call and a tabletop scene; results in out/demo
	@$(PY) -m earwitness.demo.run $(DEMO_OUT) $(ARGS)

test: install ## run the tests (ARGS="-k word" to choose)
	@$(PY) -m pytest $(ARGS)

bench: install ## measure on the demo recordings: errors, speed, the price of a second run
	@$(PY) -m earwitness.demo.bench $(ARGS)

lint: install ## check style, format and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: install ## put the code into the house's format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

lock: install ## choose the newest allowed version of every dependency again
	@$(VENV)/bin/uv pip compile pyproject.toml --group dev --extra demo --universal --upgrade --generate-hashes \
		--no-header --no-emit-index-url -o requirements.lock --quiet
	@echo "requirements.lock is new; run: make install test"

clean: ## remove .venv, caches and results of the demo
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
