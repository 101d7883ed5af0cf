# One command each; `make` lists them. Nothing is installed globally but Debian packages.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint setup/constraints.txt
export CLIP_PLATFORM_HOME ?= $(CURDIR)/.clip-platform
VIDEO ?=
OPTIONS ?=

.DEFAULT_GOAL := help
.PHONY: help demo up test test-cluster check check-deploy format openapi evaluate learning-report tiny-asr bench bench-long bench-gpu clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

ifeq ($(strip $(VIDEO)),)
demo: $(VENV)/.sample  ## make a sample talk and turn it into clips; VIDEO=talk.mp4 for your own
	$(BIN)/python -m clip_platform.evaluation.sample_talk build/sample
	$(BIN)/clip-platform process build/sample/talk.mp4 --clips 3 --min-s 10 --max-s 30 --out demo $(OPTIONS)
	@echo "look at demo/report.html"
else
demo: $(VENV)/.nemo
	$(BIN)/clip-platform process "$(VIDEO)" $(OPTIONS)
endif

up: $(VENV)/.base  ## Postgres, Dagster, MLflow, the API and its worker on loopback, until Ctrl-C
	$(BIN)/clip-platform up

test: $(VENV)/.develop $(VENV)/.peers  ## every test that needs no GPU and no cluster
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup

test-cluster: $(VENV)/.develop  ## whole runs through the launcher and executor of a cluster, on a stand-in of its API
	$(BIN)/python -m pytest -m cluster tests/cluster

check: $(VENV)/.develop  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-deploy: $(VENV)/.develop  ## all of deploy/, as far as the tools here can judge it; OPTIONS=--require-all as in CI
	$(BIN)/python -m deploy.check $(OPTIONS)

format: $(VENV)/.develop  ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

openapi: $(VENV)/.base  ## rewrite docs/openapi.json from the API's code
	$(BIN)/clip-platform openapi docs/openapi.json

evaluate: $(VENV)/.measure  ## accuracy of every stage against truth; rewrites docs/accuracy.md
	$(BIN)/python -m clip_platform.evaluation --markdown docs/accuracy.md

learning-report: $(VENV)/.base  ## what the learning loop promises, over many simulated worlds; half an hour
	$(BIN)/python -m clip_platform.evaluation.learning_report $(OPTIONS)

tiny-asr: $(VENV)/.nemo $(VENV)/.sample  ## train the tiny speech model that tests and evaluate use; ten minutes
	$(BIN)/python -m clip_platform.evaluation.tiny_asr $(OPTIONS)

bench: $(VENV)/.sample  ## cost as ratios to lower bounds
	$(BIN)/python -m benchmarks

bench-long: $(VENV)/.measure  ## the benchmarks that take more than 20 minutes
	$(BIN)/python -m benchmarks --long

bench-gpu: $(VENV)/.gpu  ## NeMo and face detection on a GPU, against published figures
	$(BIN)/python -m benchmarks.on_gpu $(OPTIONS)

clean:  ## remove what make built, videos and clips of the embedded platform included
	rm -rf $(VENV) build demo .clip-platform .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# The environment, in layers: a stamp file says that a layer is there.

$(VENV)/.base: pyproject.toml setup/constraints.txt setup/system-packages
	@PYTHON="$(PYTHON)" setup/system-packages
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 13) else "Python 3.11 or 3.12 is needed; name one with PYTHON=")'
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@echo "installing Python packages into $(VENV); the first time takes some minutes"
	@$(PIP) torch
	@$(PIP) --editable .
	@touch $@

$(VENV)/.sample: $(VENV)/.base
	@$(PIP) --editable '.[sample]'
	@touch $@

$(VENV)/.measure: $(VENV)/.base
	@$(PIP) --editable '.[sample,nemo,measure]'
	@touch $@

$(VENV)/.nemo: $(VENV)/.base
	@$(PIP) --editable '.[nemo]'
	@touch $@

# ONNX Runtime for CUDA takes the place of the one for CPUs: both are the module `onnxruntime`.
$(VENV)/.gpu: $(VENV)/.nemo
	@$(PIP) --editable '.[insightface]' onnx
	@if command -v nvidia-smi >/dev/null; then $(PIP) --force-reinstall --no-deps onnxruntime-gpu; fi
	@touch $@

$(VENV)/.develop: $(VENV)/.base
	@$(PIP) --editable '.[sample,nemo,insightface,measure,develop]'
	@touch $@

$(VENV)/.peers: $(VENV)/.base setup/peers/install setup/peers/package-lock.json
	@setup/peers/install $(VENV)/peers
	@touch $@
