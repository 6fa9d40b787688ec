"""Fixtures that several tests use, and what holds their marks true."""

import gc
import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from sim.verilated import library
from tests.long import function_of, long_tests
from tests.support.seeds import VARIABLE, choose_seed, run_seed

ROOT = Path(__file__).parent.parent
#: Simulations that run for seconds: built in two thirds of the time, they run a tenth slower.
os.environ.setdefault("PARTITA_CXX_OPT", "-O1")

if "PYTEST_XDIST_WORKER" in os.environ:  # workers are as many as processors
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure() -> None:
    choose_seed()  # before others that run tests are started, which inherit it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long."""
    listed = long_tests()
    for item in items:
        if function_of(item.nodeid) in listed:
            item.add_marker("long")


def pytest_collection_finish() -> None:
    """Let the collector of garbage leave alone what has been loaded: that stays, and is much."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"seed of this run: {VARIABLE}={run_seed()}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with each failure the seed with which it comes again."""
    report = yield
    if report.failed:
        report.sections.append(("seed of this run", f"{VARIABLE}={run_seed()}"))
    return report


@pytest.fixture(scope="session")
def measured_tinyvgg16() -> dict:
    """The report of the full comparison that the package carries."""
    return json.loads((ROOT / "sw" / "data" / "measured-tinyvgg16.json").read_text())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let a test that is not marked `builds` fail where it, or a fixture of it, asks for a
    simulation, whether or not that is in the cache."""
    made_by = library.made_by

    def refuse() -> str:
        pytest.fail(f"{item.nodeid} builds a simulation: mark it `builds`")

    if item.get_closest_marker("builds") is None:
        library.made_by = refuse
    try:
        return (yield)
    finally:
        library.made_by = made_by
