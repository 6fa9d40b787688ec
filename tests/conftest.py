"""Fixtures that several tests use."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def measured_tinyvgg16() -> dict:
    """The report of the full comparison that the package carries."""
    return json.loads((ROOT / "sw" / "data" / "measured-tinyvgg16.json").read_text())
