"""What place and route made of some configurations on one device: area and clock."""

import json
from pathlib import Path

__all__ = ["placed"]

#: What the command beside each row has printed.
_CLOCKS = Path(__file__).parent / "clocks.json"


def placed() -> list[dict]:
    """Rows with `instances`, `array` as ROWSxCOLS, `luts`, `dsps`, `block_rams`, `fmax_mhz`, the
    `command` that gave them, and `earlier` where the instance has changed since."""
    return json.loads(_CLOCKS.read_text())
