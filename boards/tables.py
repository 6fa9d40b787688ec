"""The table of the boards' bitstreams."""

from collections.abc import Callable

from boards.flow.results import rows
from hw.support.markdown import markdown_table

__all__ = ["TABLES"]


def boards_table() -> str:
    """What `python -m boards table` has built."""
    lines = []
    for row in rows().values():
        if row["why"]:
            lines.append((row["board"], row["config"], *[""] * 5, row["why"]))
            continue
        lines.append((
            row["board"], row["config"], f"{row['luts']:,} of {row['luts_of']:,}",
            f"{row['dsps']} of {row['dsps_of']}", f"{row['block_rams']} of {row['block_rams_of']}",
            f"{row['fmax_mhz']} ({row['clock_mhz']:g} used)",
            f"{row['bytes']:,}", f"{row['seconds']:,}"))
    return markdown_table(("board", "accelerator", "LUTs", "DSPs", "block RAMs", "MHz",
                           "bytes of bitstream", "seconds to build"), lines)


#: Marker -> what renders its table.
TABLES: dict[str, Callable[[], str]] = {"boards": boards_table}
