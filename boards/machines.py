"""The boards as machines that a network is checked for."""

from functools import partial

from hw.config import Config
from sw.cycles.memory import MemoryTiming
from sw.experiment.checking.targets import Target

from .catalogue import BOARDS, Board

__all__ = ["machines", "memory_timing"]

#: Cycles from a request at the board's controller to the first beat, beside the chip's; and the
#: share of bursts that wait for a page, fitted to runs.
_SDRAM_WAY, _OPENED = 4, 1 / 8
#: Bursts that its controller takes before the first is done.
_SDRAM_BURSTS = 8
#: Of block RAM: to the first beat, and between one burst and the next.
_RAM = MemoryTiming(latency=4, page_miss=0, burst=2, outstanding=1)


def machines() -> list[Target]:
    """Every board with its preset."""
    return [Target(board.name, board.title, board.config, board.clock_mhz, _memory_bytes(board),
                   board.device, board.parts, board.prune, partial(memory_timing, board),
                   board.system)
            for board in BOARDS.values()]


def _memory_bytes(board: Board) -> int:
    return board.system(board.config).memory_bytes


def memory_timing(board: Board, config: Config) -> MemoryTiming:
    """What a board's memory takes with a configuration, by its datasheet."""
    chip = board.sdram
    if chip is None:
        return _RAM
    words = 8 * config.port.bytes // chip.data_bits
    opens = sum(chip.cycles(name, board.clock_mhz) for name in ("t_rp", "t_rcd"))
    refresh = opens + chip.cycles("t_rfc", board.clock_mhz)
    free = 1 - refresh / chip.refresh_cycles(board.clock_mhz)
    return MemoryTiming(latency=_SDRAM_WAY + chip.cas + words, page_miss=opens,
                        beat=words / free, burst=opens * _OPENED,
                        outstanding=_SDRAM_BURSTS)
