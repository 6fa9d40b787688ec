"""The tops of boards as their tools get them."""

import re
from dataclasses import dataclass
from functools import cache

from boards.catalogue import BOARDS
from boards.flow.platforms import GOWIN_TOP, BoardTop, gowin_constraints, make_platform
from boards.gateware.system import board_verilog

__all__ = ["Top", "top_of"]


@dataclass(frozen=True)
class Top:
    """What is synthesised, by file, and the pin of each of its ports; of a board with a platform
    all modules but the accelerator's, and its oscillator's MHz."""

    sources: dict[str, str]
    pins: dict[str, str]
    oscillator_mhz: float | None = None


@cache
def top_of(name: str) -> Top:
    """A board's top with its preset."""
    board = BOARDS[name]
    if not board.platform:
        pins = re.findall(r'^IO_LOC "(\S+)" (\w+);', gowin_constraints(board), re.MULTILINE)
        outermost = board_verilog(board.system())["board"].partition("\nendmodule\n")
        return Top({"top.v": GOWIN_TOP, "board.v": "".join(outermost[:2])}, dict(pins))
    platform = make_platform(board)
    found = platform.prepare(BoardTop(board, board.system()), name="top").files
    texts = {k: v if isinstance(v, str) else v.decode() for k, v in found.items()}
    text = texts.get("top.lpf") or texts["top.pcf"]
    pins = re.findall(r'^(?:LOCATE COMP "|set_io )(\S+?)"? (?:SITE ")?(\w+)', text, re.MULTILINE)
    return Top({"top.il": texts["top.il"]}, dict(pins), platform.default_clk_frequency / 1e6)
