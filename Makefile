# SPDX-License-Identifier: Apache-2.0
# Everything a developer types. `make` alone explains.

VENV := .venv
BIN := $(VENV)/bin
ENV := $(VENV)/.installed
TOOLS := $(VENV)/.tools
PYTEST := $(BIN)/pytest
# How many tests run at once; those with TensorFlow take a gigabyte or two each.
WORKERS ?= 2
# For instance: make test PYTEST_ARGS='-k cache'
PYTEST_ARGS ?=

# Tests whose outcome depends on having the machine to themselves.
ALONE := kill or timing

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env demo test check bench notebooks format clean distclean other-python

help: ## Explain the targets (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "The first of them makes $(VENV), which the others then use. It takes the first supported"
	@echo "Python on PATH; to choose another: make PYTHON=/path/to/python3.11 ..."

env: $(ENV) ## Make the environment, .venv, or bring it up to date
	@:

# An environment made with another Python than the one asked for is made anew.
ifneq ($(PYTHON),)
ifneq ($(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null),$(shell cat $(ENV) 2>/dev/null))
$(ENV): other-python
endif
endif
$(ENV): $(wildcard constraints/py*.txt) constraints/install.sh setup.py
	@constraints/install.sh $(VENV) $(PYTHON)

# Only developing needs them, so a demo does not wait for them.
$(TOOLS): $(ENV) constraints/dev.txt constraints/frameworks.txt
	@constraints/install.sh --tools $(VENV)

demo: $(ENV) ## Run the consumer complaints pipeline on real data, and predict with its model
	@$(BIN)/python -m penstock.pipelines.consumer_complaints.demo

test: check ## Run the checks, then every test
	@$(PYTEST) -n $(WORKERS) --dist loadfile -m "not ($(ALONE))" $(PYTEST_ARGS)
	@$(PYTEST) -m "$(ALONE)" $(PYTEST_ARGS)

# mypy and import-linter want a folder named as the package; a checkout's may have any name.
LINK := build/types/penstock

$(LINK):
	@mkdir -p $(@D)
	@ln -sfn ../.. $@

check: $(TOOLS) $(LINK) ## Lint, formatting, strict types, layers of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@cd $(dir $(LINK)) && ../../$(BIN)/mypy --config-file ../../pyproject.toml
	@$(BIN)/lint-imports --no-logo

format: $(TOOLS) ## Format the source, and mend what ruff can mend by itself
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(TOOLS) ## Measure speed beside TFX 1.16.0; table and chart in benchmarks/results/
	@constraints/tfx.sh $(VENV)-tfx || :
	@$(BIN)/python -m benchmarks --parts

notebooks: $(TOOLS) ## Run the notebooks anew, and save them with what they put out
	@$(BIN)/python -m notebooks

clean: ## Remove what was built, caches, and what demos wrote (keeps .venv)
	rm -rf build dist *.egg-info .penstock .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)*/*' -prune -exec rm -rf {} +

distclean: clean ## The same, and .venv
	rm -rf $(VENV) $(VENV)-airflow-* $(VENV)-tfx
