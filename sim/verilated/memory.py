"""A memory in Verilog that takes the place of the simulation's own model."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MEMORY_NAME", "RtlMemory"]

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
