"""A memory in Verilog that takes the place of the simulation's own model, and what the model can do
wrong."""

import ctypes
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

__all__ = ["AXI_HEADER", "MEMORY_NAME", "Disturbance", "RtlMemory"]

#: What the class that wraps a memory speaks with.
AXI_HEADER = Path(__file__).parent / "harness" / "axi.h"

#: Its module.
MEMORY_NAME = "memory"


@dataclass(frozen=True)
class RtlMemory:
    """What the accelerator's one port leads to.

    Members
    -------
    design : str
        What the Verilog depends on beside the generator's sources, in full.
    generator : name of the module whose sources it depends on
    generate : returns the texts of the module `MEMORY_NAME` and of those that it needs
    header : Path
        C++ that wraps it in a class `MemoryPort`: see `sim/verilated/harness/axi.h`. Files beside
        it may be included.
    macros : options for the compiler
    options : handed to the class as `MemoryOptions::own`, or None
    """

    design: str
    generator: str
    generate: Callable[[], dict[str, str]]
    header: Path
    macros: tuple[str, ...] = ()
    options: ctypes.Structure | None = None


@dataclass(frozen=True)
class Disturbance:
    """What the memory's model does wrong. Numbers count from 1, over all ports; 0 is none.

    Members
    -------
    read_error, write_error : the beat, and the burst, that is answered with an error
    stalled_ack : the acknowledgement that comes late, by `stall_cycles`
    ack_delay : cycles by which all others do
    """

    read_error: int = 0
    write_error: int = 0
    stalled_ack: int = 0
    stall_cycles: int = 0
    ack_delay: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """As the harness takes them."""
        return astuple(self)
