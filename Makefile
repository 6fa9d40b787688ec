# Everything runs in .venv, which the first target that needs it makes.
#   make demo        build the accelerator and print the comparison (the main job)
#   make test        all tests          make test-slow   deep runs: fuzzing, whole networks
#   make lint        ruff and mypy      make tables      regenerate the README's tables
#   make boards      a bitstream for every board, and the table of them
#   make measure     measure TinyVGG16 again, for the tables: a quarter of an hour
#
# Where pip would fetch the CUDA build of torch, name the CPU wheel index that the
# "Get started" page of pytorch.org shows:  make demo TORCH_INDEX=URL
PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
PY := $(VENV)/bin/python
STAMP := $(VENV)/.partita-installed

.PHONY: demo test test-slow lint tables measure boards setup check-system clean
demo: setup
	$(PY) -m sw.demo

test: setup
	$(PY) -m pytest -n logical --dist worksteal

test-slow: setup
	$(PY) -m pytest -m slow --override-ini addopts=-q

lint: setup
	$(VENV)/bin/ruff check hw sw sim tests boards
	$(VENV)/bin/mypy

tables: setup
	$(PY) -m sw.tables

# What the tables show of TinyVGG16, in RTL; a quarter of an hour on two cores.
measure: setup
	$(PY) -m sw.measure
	$(PY) -m sw.tables

# Bitstreams of every board, and the README's table of them; an hour or more.
boards: setup
	$(PY) -m pip install --quiet -e '.[boards]'
	$(PY) -m boards table
	$(PY) -m sw.tables

setup: check-system $(STAMP)

check-system:
	@PYTHON="$(PYTHON)" sh .ci/check-system

$(STAMP): pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	$(PY) -m pip install --quiet -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
