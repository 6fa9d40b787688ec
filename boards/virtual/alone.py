"""A board's memory by itself, controller and chip, in simulation."""

import ctypes
from dataclasses import replace
from pathlib import Path

import numpy as np

from boards.gateware.settings import SystemConfig
from boards.gateware.system import memory_verilog
from sim.verilated.build import build_shared
from sim.verilated.memory import AXI_HEADER, MEMORY_NAME

from .chip import Delays, chip_setup

__all__ = ["MemoryAlone", "memory_library"]

_ROWS = 4
_HARNESS = Path(__file__).parent / "harness" / "alone.cpp"


def memory_library(system: SystemConfig) -> ctypes.CDLL:
    """The Verilated memory of a system that has an SDRAM.

    Raises
    ------
    ToolMissingError, sim.verilated.build.BuildError
    """
    lib = ctypes.CDLL(str(build_shared(
        MEMORY_NAME, repr(system), [memory_verilog.__module__], lambda: memory_verilog(system),
        _HARNESS, headers=[AXI_HEADER], macros=f"-DPARTITA_BEAT={system.config.port.bytes} "
                                        "-DPARTITA_SDRAM")))
    pointer, u64, raw = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p
    for name, result, arguments in (
            ("new", pointer, [pointer]), ("free", None, [pointer]), ("fault", raw, [pointer]),
            ("write", None, [pointer, u64, raw, u64]), ("read", None, [pointer, u64, raw, u64])):
        function = getattr(lib, f"alone_{name}")
        function.restype, function.argtypes = result, arguments
    return lib


class MemoryAlone:
    """The first rows of a system's memory: `fault`, the first rule of the chip that was broken,
    or "".

    Parameters
    ----------
    library : of `memory_library`, for the same system
    system : SystemConfig
    delays : of the ways between FPGA and chip
    noise : draws what is in the chip when it powers up
    """

    def __init__(self, library: ctypes.CDLL, system: SystemConfig, delays: Delays | None = None,
                 *, noise: int = 1):
        assert system.sdram
        self._lib = library
        # All but the first rows are left out, which would have to be filled with noise.
        part = replace(system.sdram, rows=_ROWS,
                       retention_ms=system.sdram.retention_ms * _ROWS / system.sdram.rows)
        setup = chip_setup(system, part, delays=delays, noise=noise)
        self._memory = library.alone_new(ctypes.byref(setup))

    def __enter__(self) -> "MemoryAlone":
        return self

    def __exit__(self, *exc) -> None:
        self._lib.alone_free(self._memory)

    def write(self, addr: int, data: bytes) -> None:
        self._lib.alone_write(self._memory, addr, data, len(data))

    def read(self, addr: int, count: int) -> bytes:
        found = np.zeros(count, np.uint8)
        self._lib.alone_read(self._memory, addr, found.ctypes.data_as(ctypes.c_char_p), count)
        return found.tobytes()

    @property
    def fault(self) -> str:
        return self._lib.alone_fault(self._memory).decode()
