"""The simulation backend with a board's memory: its runs take the board's cycles exactly."""

from collections.abc import Callable
from pathlib import Path

from boards.gateware.settings import SystemConfig
from boards.gateware.system import memory_verilog
from sim.backend import VerilatorBackend
from sim.verilated.memory import RtlMemory
from sw.driver.result import RunResult

from .chip import chip_setup

__all__ = ["board_memory", "differences", "simulated"]


def board_memory(system: SystemConfig) -> RtlMemory:
    """A board's memory, controller and chip, for the simulated accelerator's port."""
    folder = Path(__file__).parent
    return RtlMemory(
        repr(system), memory_verilog.__module__, lambda: memory_verilog(system),
        folder / "harness" / "port.h",
        ("-DPARTITA_SDRAM",) if system.sdram else (),
        chip_setup(system, system.sdram) if system.sdram else None)


def simulated(system: SystemConfig, say: Callable[[str], None] = lambda text: None,
              ) -> VerilatorBackend:
    """The simulation backend for a board's accelerator and memory, without link and switch.

    Raises
    ------
    ToolMissingError, sim.verilated.build.BuildError
    """
    return VerilatorBackend(system.config, memory_bytes=system.memory_bytes,
                            memory=board_memory(system), say=say)


def differences(board: RunResult, simulation: RunResult) -> list[str]:
    """What differs between two runs: cycles in all, by layer, and of each instance by cause and
    layer, if the board's log holds all layers. One line each; nothing if all are equal."""
    found = []
    if board.cycles != simulation.cycles:
        found.append(f"{board.cycles:,} cycles on the board, {simulation.cycles:,} simulated")
    spans = board.layer_cycles or (), simulation.layer_cycles or ()
    for k, (a, b) in enumerate(zip(*spans, strict=True)):
        if a != b:
            found.append(f"layer {k}: {a:,} cycles on the board, {b:,} simulated")
    for i, (ours, theirs) in enumerate(zip(board.counters, simulation.counters, strict=True)):
        found += [f"instance {i}, {name}: {a:,} on the board, {b:,} simulated"
                  for name, a in ours.items() if a != (b := theirs[name])]
    ledgers = board.ledger or (), simulation.ledger or ()
    for k, layer in enumerate(zip(*ledgers, strict=True)):
        found += [f"layer {k}, instance {i}: {ours} on the board, {theirs} simulated"
                  for i, (ours, theirs) in enumerate(zip(*layer, strict=True)) if ours != theirs]
    return found
