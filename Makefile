# Every target makes what it needs first (seconds when the caches are warm). `make help` lists them.
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .cache/venv/bin
RUN := $(VENV)/python -m
# The upstream CRDs, examples and recordings that some tests read; without it they count as not run.
export MULTINODE_UPSTREAM ?= $(CURDIR)/../shared/upstream
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/collections
export PATH := $(CURDIR)/$(VENV):$(PATH)
# Where it is set, each start of each program compiles all that it imports once more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup venv test lint unit coverage missing-checks integration molecule docs sanity importer build bench chaos \
	lab-up lab-down lab-status demo format changelog lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup:
	@$(PYTHON) tools/bootstrap.py

venv: setup ## the development environment; `. .cache/env` then puts its tools on your PATH
	@echo "Activate it with: . .cache/env"

demo: setup ## a lab cluster from empty to running multinode engines, and the report
	@$(RUN) tools.demo

lab-up: setup ## start the lab with the nodes of inventories/lab
	@$(RUN) lab up --inventory inventories/lab

lab-down: setup ## stop the lab; nothing of it stays running
	@$(RUN) lab down

lab-status: setup ## what runs in the lab
	@$(RUN) lab status

test: setup ## everything below, fastest first, with one summary at the end; ARGS="lint unit" selects
	@$(RUN) tools.check $(ARGS)

lint: setup ## ruff, mypy, yamllint, ansible-lint (production), antsibull-changelog, shellcheck
	@$(RUN) tools.lint

unit: setup ## unit tests; ARGS="-k name" selects
	@$(RUN) pytest tests/unit -n auto --junitxml=.cache/results/unit.xml $(ARGS)

coverage: setup ## how much of the arithmetic, the backends, the read-back and the spec the unit tests run
	@$(RUN) tools.coverage_gate

missing-checks: setup ## removes each check in turn; a unit test must miss it
	@$(RUN) tools.missing_checks

docs: setup ## lint the plugins' documentation and build it as HTML
	@$(RUN) tools.docs

sanity: setup ## ansible-test sanity
	@$(RUN) tools.sanity $(ARGS)

importer: setup ## what Galaxy and Automation Hub check when a collection is uploaded
	@$(RUN) tools.importer

integration: setup ## tests against the lab; ARGS="-k name" selects
	@$(RUN) pytest tests/integration --junitxml=.cache/results/integration.xml $(ARGS)

molecule: setup ## molecule scenarios on the lab; ARGS="name ..." selects
	@$(RUN) tools.scenarios $(ARGS)

bench: setup ## benchmarks (not part of test); ARGS="plan" selects
	@$(RUN) tools.bench $(ARGS)

chaos: setup ## the engine under faults: 200 seeded runs that must converge (not part of test); ARGS="--runs 20"
	@$(RUN) tests.chaos $(ARGS)

build: setup ## the collection's artifact, in .cache/build
	@$(RUN) tools.artifact

format: setup ## format Python and fix what ruff can fix
	@$(VENV)/ruff format
	@$(VENV)/ruff check --fix

changelog: setup ## merge changelogs/fragments into CHANGELOG.rst, under the version of galaxy.yml
	@cd .cache/collections/ansible_collections/dynamo/multinode && \
		antsibull-changelog release --update-existing --reload-plugins

lock: setup ## newest versions of the development requirements, into the locks
	@$(RUN) tools.lock

clean: ## remove what was made in this clone (shared caches stay)
	@rm -rf .cache .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis
