"""The tables of the boards' bitstreams, and of the delays to their memory."""

from collections.abc import Callable

from boards.flow.results import rows
from boards.gateware.margins import windows
from hw.support.markdown import markdown_table

from .catalogue import BOARDS

__all__ = ["TABLES", "boards_table"]


def boards_table() -> str:
    """What `python -m boards table` has built."""
    lines = []
    for name, row in rows().items():
        preset, what = BOARDS[name].config.shape, row["config"]
        if what != preset:
            what += f" (an older build: the preset is {preset})"
        if row["why"]:
            lines.append((row["board"], what, *[""] * 5, row["why"]))
            continue
        lines.append((
            row["board"], what, f"{row['luts']:,} of {row['luts_of']:,}",
            f"{row['dsps']} of {row['dsps_of']}", f"{row['block_rams']} of {row['block_rams_of']}",
            f"{row['fmax_mhz']} ({row['clock_mhz']:g} used)",
            f"{row['bytes']:,}", f"{row['seconds']:,}"))
    return markdown_table(("board", "accelerator", "LUTs", "DSPs", "block RAMs", "MHz",
                           "bytes of bitstream", "seconds to build"), lines)


def margins_table() -> str:
    """For which delays to its SDRAM the ULX3S works, in all of its kinds."""
    board = BOARDS["ulx3s-25f"]
    assert board.sdram
    return markdown_table(("delay", "assumed", "works", "left"), [
        (name, _span(w.assumed), _span(w.works), f"{w.margin:.1f}")
        for name, w in windows(board.sdram, board.clock_mhz, board.shift_ns).items()])


def _span(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.1f}" if ends[0] == ends[1] else f"{ends[0]:.1f} to {ends[1]:.1f}"


#: Marker -> what renders its table.
TABLES: dict[str, Callable[[], str]] = {"boards": boards_table,
                                     "margins": margins_table}
