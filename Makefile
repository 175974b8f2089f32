# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
#
# Everything runs in a virtual environment inside the checkout, which the first command makes.
#   make demo | test | faults | soak | lint | audit | bench | venv | clean        PYTHON=python3.12 chooses another Python

PYTHON ?= python3
VENV := $(CURDIR)/.venv
MINUTES ?= 60
RUN := $(VENV)/bin/python -m

# The environment of ROS is the virtual environment's own, whatever ROS the shell has sourced:
# two client libraries in one process do not get on.
export AMENT_PREFIX_PATH := $(VENV)
unexport PYTHONPATH PYTHONHOME RMW_IMPLEMENTATION ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION
ifneq ($(ROS_DISTRO)$(_ROS_WHEELS_BOOTSTRAP_COMPLETE),)
unexport LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
endif

# What is installed as a copy, so that a change asks for installing anew.
INSTALLED_FILES := package.xml $(shell find $(wildcard config launch resource) -type f)

.PHONY: help demo test faults soak lint audit bench venv clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:
	@echo 'make demo   simulate, train, and watch the node lose a sensor and come back'
	@echo 'make test   lint, then all tests but the long ones'
	@echo 'make faults every fault that we can make, and a table of what became of it (15 minutes)'
	@echo 'make soak   the same, an hour of frames, and MINUTES=60 of hostile inputs'
	@echo 'make lint   ruff and mypy'
	@echo 'make audit  licences and known vulnerabilities of the pins'
	@echo 'make bench  measure'
	@echo 'make venv   only install, into .venv'
	@echo 'make clean  remove what the others made, .venv included'

demo: venv
	@$(RUN) training demo

# Nodes are given the machine for themselves: what they promise has to do with time.
test: lint
	@OMP_NUM_THREADS=1 $(RUN) pytest --durations=10 --numprocesses=auto --maxprocesses=4 \
	    --dist=loadfile --ignore=test/benchmark --ignore=test/ros
	@$(RUN) pytest --durations=10 test/ros

lint: venv
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

# The table, as a CSV file and a picture too, goes to .faults.
faults: venv
	@MM_PERCEPTION_FAULTS=.faults $(RUN) pytest --long test/ros/faults \
	    --ignore=test/ros/faults/test_endurance.py

soak: venv $(VENV)/.atheris
	@MM_PERCEPTION_FAULTS=.faults $(RUN) pytest --long test/ros/faults
	@$(VENV)/bin/python test/fuzz/campaign.py --minutes $(MINUTES)

# What is known of the pinned packages; it says so where nobody can be asked.
audit: venv
	@cd test && $(RUN) audit

bench: $(VENV)/.peers
	@$(RUN) pytest test/benchmark

venv: $(VENV)/.package

# The libraries: minutes, so only when a list of them has changed.
$(VENV)/.libraries: setup.py pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || \
	    { echo '$(PYTHON): needs Python 3.10 to 3.13 with its venv module (Debian, Ubuntu: apt install python3-venv); another Python: make PYTHON=python3.12' >&2; exit 2; }
	@$(RUN) pip --version >/dev/null 2>&1 || \
	    { echo 'Making the virtual environment .venv'; $(PYTHON) -m venv --clear $(VENV); }
	@echo 'Installing the libraries into .venv (some minutes and 7 GB the first time)'
	@$(RUN) pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[ros,train,test]'
	@touch $@

# What `make bench` measures against, by a pip of its own: see test/benchmark/requirements.txt. The
# benchmarks leave out what is not there.
$(VENV)/.peers: $(VENV)/.package test/benchmark/requirements.txt
	@$(RUN) pip install --quiet --disable-pip-version-check --upgrade --target $(VENV)/.pip pip==24.0 \
	    && PYTHONPATH=$(VENV)/.pip $(RUN) pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --requirement test/benchmark/requirements.txt \
	    && touch $@ || echo 'Pixyz and Pyro are not installed: the benchmarks go without them' >&2

# Guides the fuzzing by coverage; without, it goes by what the product says.
$(VENV)/.atheris: $(VENV)/.package
	@$(RUN) pip install --quiet --disable-pip-version-check --constraint constraints.txt atheris \
	    && touch $@ || echo 'atheris is not installed: the fuzzing goes on unguided' >&2

# The package itself: its code is used where it lies, but launch files, settings and executables are
# copied to where ROS looks for them.
$(VENV)/.package: $(VENV)/.libraries setup.cfg $(INSTALLED_FILES)
	@$(RUN) pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv .demo .faults build install log *.egg-info \
	    .hypothesis .mypy_cache .pytest_cache .ruff_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
