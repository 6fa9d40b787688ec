"""Numbers that come with the product: measured ones, trained ones, coefficients."""

import json
from pathlib import Path
from typing import Any

__all__ = ["DATA", "stored"]

DATA = Path(__file__).parent


def stored(name: str) -> Any:
    """What a JSON file here holds."""
    return json.loads((DATA / name).read_text())
