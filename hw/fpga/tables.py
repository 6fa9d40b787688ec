"""The table of what more instances cost in clock and area."""

import json
from collections.abc import Callable
from pathlib import Path

from hw.support.markdown import markdown_table

__all__ = ["TABLES"]

#: What the commands beside each row have printed.
_CLOCKS = Path(__file__).parent / "clocks.json"


def clocks_table() -> str:
    """Area and clock after place and route, and how long an image of digits takes at it."""
    return markdown_table(
        ("instances", "LUTs", "DSPs", "block RAMs", "MHz", "cycles of an image", "ms"),
        [(r["instances"], f"{r['luts']:,}", r["dsps"], r["block_rams"], f"{r['fmax_mhz']:.1f}",
          f"{r['cycles']:,}", f"{r['cycles'] / r['fmax_mhz'] / 1000:.2f}")
         for r in json.loads(_CLOCKS.read_text())])


#: Marker -> what renders its table.
TABLES: dict[str, Callable[[], str]] = {"clocks": clocks_table}
