# `make help` lists what there is. Everything lands in .venv, in the user's cache directory, and nowhere else.

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
# How many tests run at the same time; and how many where they mostly wait, each with a cluster of its own: 600 MB.
JOBS   ?= 2
WAITING ?= 4
# What takes long is named, so that it is known where the time goes.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --durations=12 --durations-min=10

.DEFAULT_GOAL := help
.PHONY: help setup tools demo up down test lint bench clean
# A step that is broken off leaves no target that looks finished.
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## make .venv, with seatrial and what its tests need (instant when nothing changed)

demo: tools  ## the main job: a cluster, a lab, its solution, a grade; then everything is gone again
	@$(BIN)/seatrial demo

up: setup  ## the portal on http://127.0.0.1:8000: installs what it needs, starts it, prints the sign-ins
	@$(BIN)/seatrial up

down: setup  ## end the portal and everything that it started; its clusters keep their state
	@$(BIN)/seatrial down

test: lint tools  ## every test that this machine can run, and what was left out and why
	@echo "== Unit tests"
	@$(PYTEST) -m "not cluster and not kind and not portal and not browser"
	@echo "== Tests on a real control plane (what is skipped is listed with its reason)"
	@$(PYTEST) -n $(WAITING) -m "cluster and not kind and not portal and not browser" --dist loadscope --no-loadscope-reorder
	@echo "== Tests in clusters of containers, one at a time (what is skipped is listed with its reason)"
	@$(BIN)/python -m pytest -m "kind and not portal and not browser"
	@echo "== Tests of whole portals: processes, sandboxes, kills (what is skipped is listed with its reason)"
	@$(PYTEST) -m "portal and not browser" --dist loadscope
	@echo "== The portal in a browser (one platform for all; what is skipped is listed with its reason)"
	@$(BIN)/python -m pytest -m browser

lint: setup  ## ruff, mypy strict, the rules of who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: tools  ## measure, both sides in one run, and write docs/benchmarks.md (many minutes)
	@$(BIN)/python bench/run.py

clean:  ## remove .venv and what tools left behind; the upstream programs in the cache stay
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

tools: setup
	@$(BIN)/seatrial tools install

# The stamp is written last: an environment that was broken off is completed by the next run, and one that does not even run
# is made anew.
$(STAMP): pyproject.toml
	@set -e; \
	if ! $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		python=; \
		for each in python3.13 python3.12 python3.11 python3.14 python3; do \
			if $$each -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
				python=$$each; break; \
			fi; \
		done; \
		if [ -z "$$python" ]; then \
			echo "seatrial needs Python 3.11 or newer with its venv module, and none is on PATH;" \
				"on Debian and Ubuntu: apt-get install python3 python3-venv" >&2; \
			exit 1; \
		fi; \
		echo "== Making $(VENV) with $$($$python --version)"; \
		rm -rf $(VENV); \
		$$python -m venv $(VENV); \
	fi; \
	echo "== Installing seatrial and what its tests need into $(VENV): a minute the first time, instant from then on"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'; \
	$(BIN)/python -m pip install --disable-pip-version-check --editable . --group dev; \
	touch $@
