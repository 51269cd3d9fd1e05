# Everything starts here: `make run` shows the product, `make test` checks it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
ADK_STAMP := .venv-adk/.ready
# Compiled once here: where PYTHONDONTWRITEBYTECODE is set, every process would compile them anew for two seconds.
PACKAGES := cli config jobs nemovideo producer storage studio web worker

.PHONY: help setup run samples test lint docs man dist test-unit test-long test-compose test-hosts test-web test-adk mutation lock clean bench bench-quick

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
	@$(BIN)/python -m compileall -q $(PACKAGES)
	@touch $@

run: setup       ## Put music under three sample clips: inbox/ -> outbox/
	@$(BIN)/dropscore samples inbox
	@$(BIN)/dropscore run inbox --outbox outbox --once

samples:         ## Make the sample clips in samples/ again (needs ffmpeg)
	@cd samples && sed -n '/^```sh/,/^```$$/{/```/!p}' README.md | sh -e

test: setup lint ## Lint, types, import contracts and all three tiers of tests
	@$(BIN)/python -m compileall -q $(PACKAGES) tests bench
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder || { \
	  echo "What failed beside others is tried once more, alone; whatever fails again is broken."; \
	  $(BIN)/python -m pytest --last-failed --last-failed-no-failures none --maxfail 1; }

lint: setup      ## ruff, mypy and the import contracts alone
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test-unit: setup ## The tests that need no server and no process
	@$(BIN)/python -m pytest tests/unit

test-long: setup   ## The long suites too: every point of death, the compose stack, hosts cut off (35 min)
	@$(BIN)/python -m pytest -m slow
	@$(BIN)/python -m pytest --hypothesis-profile long tests/unit/jobs/test_ledger_machine.py

test-compose: setup ## Build the image and try the compose stack (a Docker engine; 6 min)
	@$(BIN)/python -m pytest -m slow tests/acceptance/compose

test-hosts: setup  ## Five hosts on a private network, cut off from each other in turn (as root; 15 min)
	@$(BIN)/python -m pytest -m slow -rPs tests/acceptance/hosts

mutation: setup     ## Break the client in small ways and count what its tests notice (20 min; a sample of each module)
	@$(BIN)/python -m tests.mutation

test-web: setup    ## The page and the report in a real browser, which is installed if there is none (2 min)
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || $(BIN)/playwright install --with-deps chromium
	@$(BIN)/python -m pytest -m slow tests/acceptance/web

test-adk: setup $(ADK_STAMP) ## The client against a real Google ADK server (makes .venv-adk once; 3 min)
	@$(BIN)/python -m pytest -m slow tests/integration/adk

$(ADK_STAMP): requirements/adk.in
	@test -x .venv-adk/bin/python || $(PYTHON) -m venv .venv-adk
	@echo "Installing google-adk into .venv-adk (once, about a minute) ..."
	@.venv-adk/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/adk.in
	@touch $@

bench: setup        ## Every figure of docs/performance.md and docs/reliability.md (3 h); bench-makespan: one of them
	@$(BIN)/python -m bench

bench-quick: setup  ## The same with small numbers: do all of them work? (15 min)
	@$(BIN)/python -m bench quick

bench-%: setup
	@$(BIN)/python -m bench.$*

man: setup       ## Write dist/dropscore.1, the man page, from the same source as --help
	@mkdir -p dist && $(BIN)/python -m cli.manual >dist/dropscore.1

dist: setup      ## Build the wheel and the sdist into dist/
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w dist .
	@$(BIN)/hatchling build -t sdist

docs: setup      ## Write docs/settings.md anew from the settings classes
	@$(BIN)/python -m config.reference

lock: setup      ## Pin the dependencies of pyproject.toml anew, with hashes (needs uv)
	@uv pip compile pyproject.toml --extra dev --extra all --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q -U -o requirements/dev.txt
	@uv pip compile pyproject.toml --extra all --universal --python-version 3.11 --generate-hashes -c requirements/dev.txt \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q -o requirements/run.txt

clean:           ## Remove what set-up made; inboxes, outboxes and their state stay
	@rm -rf $(VENV) .venv-adk .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
