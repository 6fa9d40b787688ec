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
    """Bitstreams take minutes on one processor: they are begun first, beside the other tests."""
    items.sort(key=lambda item: item.path.name != "test_smallest_board.py")
