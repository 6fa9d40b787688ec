"""Fixtures that several tests use."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def measured_tinyvgg16() -> dict:
    """The report of the full comparison that the package carries."""
    return json.loads((ROOT / "sw" / "data" / "measured-tinyvgg16.json").read_text())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What Yosys and nextpnr take minutes for is begun first, beside the other tests."""
    long = ("test_smallest_board.py", "test_floorplan.py")
    items.sort(key=lambda item: item.path.name not in long)
