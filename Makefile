# Everything starts here: `make run` shows the product, `make test` checks it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

.PHONY: help setup run test lint docs test-unit test-long test-compose test-hosts lock clean bench-kills bench-chaos bench-outages bench-gates bench

help:            ## Show these lines
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

setup: $(STAMP)  ## Make .venv with the pinned dependencies and the dropscore command

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Dropscore needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "$(PYTHON) could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv"; exit 2; }
	@echo "Installing the pinned dependencies into $(VENV) (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: setup       ## Put music under three sample clips: inbox/ -> outbox/
	@$(BIN)/dropscore samples inbox
	@$(BIN)/dropscore run inbox --outbox outbox --once

test: setup lint ## Lint, types, import contracts and all three tiers of tests
	@$(BIN)/python -m pytest -n 3 --dist loadfile

lint: setup      ## ruff, mypy and the import contracts alone
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test-unit: setup ## The tests that need no server and no process
	@$(BIN)/python -m pytest tests/unit

test-long: setup   ## The long suites too: every point of death, the compose stack, hosts cut off (35 min)
	@$(BIN)/python -m pytest -m slow

test-compose: setup ## Build the image and try the compose stack (a Docker engine; 6 min)
	@$(BIN)/python -m pytest -m slow tests/acceptance/compose

test-hosts: setup  ## Five hosts on a private network, cut off from each other in turn (as root; 15 min)
	@$(BIN)/python -m pytest -m slow -rPs tests/acceptance/hosts

bench-kills: setup  ## kill -9 around each outside effect, 300 times (6 min)
	@$(BIN)/python -m bench.reliability.kills

bench-chaos: setup  ## 300 files, 1,000 random faults, workers killed and frozen (5 min)
	@$(BIN)/python -m bench.reliability.chaos

bench-outages: setup ## a frozen worker, Redis away and restarted, a polite stop (8 min)
	@$(BIN)/python -m bench.reliability.outages

bench-gates: setup  ## no credits, a free plan, a full disk (1 min)
	@$(BIN)/python -m bench.reliability.gates

bench: setup        ## Every figure of docs/performance.md but the producer's (41 min); bench-makespan: one of them
	@$(BIN)/python -m bench.everything

bench-%: setup
	@$(BIN)/python -m bench.$*

docs: setup      ## Write docs/settings.md anew from the settings classes
	@$(BIN)/python -m config.reference

lock: setup      ## Pin the dependencies of pyproject.toml anew, with hashes (needs uv)
	@uv pip compile pyproject.toml --extra dev --extra s3 --extra tracing --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q -U -o requirements/dev.txt
	@uv pip compile bench/peers/requirements.in --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q -U -o bench/peers/requirements.txt
	@uv pip compile pyproject.toml --extra s3 --extra tracing --universal --python-version 3.11 --generate-hashes -c requirements/dev.txt \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q -o requirements/run.txt

clean:           ## Remove what set-up made; inbox, outbox and .dropscore stay
	@rm -rf $(VENV) .venv-prefect .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
