# SPDX-License-Identifier: GPL-3.0-or-later
# Everything a contributor does. CI runs `make check test test-gui build` and nothing else.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo fmt check test test-unit test-parity test-blender test-gui int8 build bench clean

PYTHON ?= $(shell tools/find_python.sh 3.11 3.13)
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

# OpenMP threads that spin while they wait slow each other down on shared cores.
export OMP_WAIT_POLICY ?= PASSIVE

help: ## Show this list.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(READY) ## Make .venv with pinned packages, and install missing system libraries.

$(READY): pyproject.toml tools/setup.sh tools/system_libraries.sh $(wildcard constraints-*.txt)
	@tools/setup.sh "$(PYTHON)" $(VENV)
	@touch $@

demo: $(READY) ## Make three objects with the starter pack, under build/demo/.
	$(VENV)/bin/maquette demo --output build/demo

fmt: $(READY) ## Format the sources.
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

check: $(READY) ## Lint, types, and who may import whom.
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	@mkdir -p build/types && ln -sfn ../.. build/types/maquette
	$(RUN) -m mypy
	$(RUN) -m pytest -q tests/unit/test_import_ladder.py

test: test-unit test-parity test-blender ## Run every test.

test-unit: $(READY) ## Test what needs no Blender.
	@# Two at a time with one core each: most tests keep only one busy.
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n 2 --dist loadfile tests/unit

test-parity: $(READY) ## Compare with diffusers, transformers and OpenAI's own numbers.
	$(RUN) -m pytest -q tests/parity

test-blender: $(READY) ## Test the extension on every Blender served.
	tools/test_blender.sh $(VENV)

test-gui: build ## Test the real application, set up on Debian or named by BLENDER=.
	@mkdir -p build/types && ln -sfn ../.. build/types/maquette
	tools/gui_blender.sh python -m pytest -q -p no:cacheprovider tests/gui

int8: $(READY) ## Add OpenVINO to .venv, and test the 8-bit path with it.
	$(RUN) -m pip install --no-deps "openvino==2026.4.1"
	$(RUN) -m pytest -q tests/unit/test_int8.py

build: $(READY) ## Build the extension's zip under dist/ with Blender's own tool.
	$(RUN) tools/build_extension.py

bench: $(READY) ## Compare with the usual ways, as ratios; keep the table in docs/performance.md.
	$(RUN) -m maquette.benchmarks.run --save

clean: ## Remove what make made, downloaded packages included.
	rm -rf .venv .venvs build dist .mypy_cache .ruff_cache .pytest_cache
