"""The boards as machines that a network is checked for."""

from sw.experiment.checking.targets import Target

from .catalogue import BOARDS, Board

__all__ = ["machines"]


def machines() -> list[Target]:
    """Every board with its preset."""
    return [Target(board.name, board.title, board.config, board.clock_mhz, _memory_bytes(board),
                   board.device, board.partitions, board.prune, board.system)
            for board in BOARDS.values()]


def _memory_bytes(board: Board) -> int:
    return board.system(board.config).memory_bytes
