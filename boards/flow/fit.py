"""Whether a board holds a configuration, and which nearest one it does."""

from collections.abc import Iterator
from contextlib import contextmanager

from boards.catalogue import Board
from hw.config import Config
from hw.fpga.devices import DoesNotFitError, Usage
from hw.fpga.estimate import quick_usage
from sw.compiler.compile import lower
from sw.graph.integer import IntegerGraph
from sw.lowering.errors import DoesNotFit, OutOfReach

__all__ = ["check_fit", "check_memory", "check_network", "check_soon", "of_board"]


def nearest_fit(board: Board, config: Config, needs: Usage) -> Config | None:
    """The configuration with the most instances that a device holds if everything shrinks in
    proportion; None if not even one."""
    for instances in range(config.instances, 0, -1):
        share = instances / config.instances
        scaled = Usage(*(round(v * share) for v in (needs.luts, needs.flip_flops, needs.dsps,
                                                    needs.block_rams)))
        if not scaled.lacks(board.device, 0.95):
            return config.replace(instances=instances)
    return None


def _smaller_array(board: Board, config: Config) -> Config | None:
    """One instance, its array halved until DSP blocks and block RAMs suffice; or None."""
    smaller = config
    while smaller.array.rows > 1 and smaller.core != "microcoded":  # which is as small as can be
        smaller = smaller.replace(
            instances=1, array__rows=smaller.array.rows // 2,
            array__cols=max(1, smaller.array.cols // 2), array__post_lanes=1)
        if not quick_usage(smaller).lacks(board.device):
            return smaller
    return None


def check_fit(board: Board, config: Config, usage: Usage | None = None) -> None:
    """Refuse what a board cannot hold: before synthesis by DSP blocks and block RAMs, after it
    by everything.

    Raises
    ------
    DoesNotFitError
        With the numbers, and the nearest configuration that fits.
    ValueError
        If it does not go with the board's memory.
    """
    board.system(config)
    needs = usage or quick_usage(config)
    lacks = needs.lacks(board.device)
    if not lacks:
        return
    nearest = nearest_fit(board, config, needs)
    if nearest is None and usage is None:
        nearest = _smaller_array(board, config)
    if nearest and config.core == board.config.core:
        remedy = (f"the nearest that may fit: --instances {nearest.instances} --rows "
                  f"{nearest.array.rows} --cols {nearest.array.cols}")
    elif config != board.config:
        remedy = f"the board's preset fits: {board.config.shape}, --core {board.config.core}"
    else:
        remedy = ("no configuration of this accelerator is known to fit this device; take a "
                  "larger board")
    known = "" if usage else " (before synthesis; LUTs are a lower bound)"
    raise DoesNotFitError(f"{config.shape} does not fit {board.title} ({board.device.name}): needs "
                          f"{', '.join(lacks)}{known}; {remedy}")


def check_network(board: Board, config: Config, graph: IntegerGraph) -> int:
    """Refuse a network that cannot run on a board with a configuration; return the bytes of memory
    that it takes.

    Raises
    ------
    CompileError
        Naming the layer, or how much memory there is.
    """
    with of_board(board):
        needs = lower(graph, config, quick=True).window_bytes
    check_memory(board, config, graph.name, needs)
    return needs


def check_soon(board: Board, config: Config, graph: IntegerGraph, *, store_all: bool) -> None:
    """Refuse, in a moment, a network whose layers alone, without programs, a board cannot take;
    errors as of `check_network`."""
    with of_board(board):
        needs = lower(graph, config, planned=True, store_all=store_all).window_bytes
    check_memory(board, config, graph.name, needs)


@contextmanager
def of_board(board: Board) -> Iterator[None]:
    """Tell what is beyond an accelerator's reach by what a board has, which nothing raises."""
    try:
        yield
    except OutOfReach as error:
        raise _too_large(board, error.layer, error.bytes, board.system().memory_bytes) from None


def check_memory(board: Board, config: Config, name: str, needs: int) -> None:
    """Raise DoesNotFit if a board has less memory than a network needs."""
    there = board.system(config).memory_bytes
    if needs > there:
        raise _too_large(board, name, needs, there)


def _too_large(board: Board, name: str, needs: int, there: int) -> DoesNotFit:
    return DoesNotFit(name, f"{needs:,} bytes of memory", f"{there:,} on the {board.title}",
                      "prune it into more partitions (--partitions), or take a smaller network"
                      + ("" if board.sdram else " or a board with SDRAM"), "network")
