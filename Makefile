# Everything runs in .venv, which the first target that needs it makes.
#   make demo        build the accelerator and print the comparison (the main job)
#   make test        all tests          make test-slow   deep runs: fuzzing, whole networks
#   make test-fast   tests that build no simulation, train nothing and take no fifth of a second
#   make check       lint and the fast tests, before a commit
#   make mutants     faults put into the gateware, each by the test that tells of it
#   make lint        ruff and mypy      make tables      regenerate the READMEs' tables
#   make boards      a bitstream for every board, and the table of them
#   make measure     measure again what the tables show: a quarter of an hour
#   make calibration LIBERTY=FILE   fit the energy model to gates again
#
# Where pip would fetch the CUDA build of torch, name the CPU wheel index that the
# "Get started" page of pytorch.org shows:  make demo TORCH_INDEX=URL
PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
PY := $(VENV)/bin/python
STAMP := $(VENV)/.partita-installed
# Hundreds of processes load the same modules, which are compiled once.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-fast test-slow mutants check lint tables measure calibration boards setup check-system clean
demo: setup
	$(PY) -m sw.demo

test: setup
	$(PY) -m pytest -n logical --dist worksteal

# Processes take seconds to load what they test: more of them than processors gain nothing.
test-fast: setup
	$(PY) -m pytest -m "not slow and not builds and not trains and not long" -n logical --dist worksteal

check: lint test-fast

test-slow: setup
	$(PY) -m pytest -m slow --override-ini addopts=-q

# One line of the gateware changed at a time; what is alive is a missing test.
mutants: setup
	$(PY) -m tests.mutants

lint: setup
	$(VENV)/bin/ruff check hw sw sim tests boards
	$(VENV)/bin/mypy

tables: setup
	$(PY) -m sw.tables

# What the tables show, in RTL; a quarter of an hour on two cores.
measure: setup
	$(PY) -m sw.measure
	$(PY) -m sw.tables

# The energy model's coefficients from gates of today's Verilog, and the tables of them. LIBERTY is
# SKY130's library of high density cells at 25 C and 1.8 V.
calibration: setup
	@test -n "$(LIBERTY)" || { echo "make calibration LIBERTY=sky130hd_tt.lib.gz"; exit 2; }
	$(PY) -m pip install --quiet -e '.[calibrate]'
	$(PY) -m sw.calibrate --liberty $(LIBERTY) --write
	$(PY) -m sw.tables

# Bitstreams of every board, and the READMEs' table of them; an hour or more.
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
