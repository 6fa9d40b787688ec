"""The C driver of a bundle, compiled, behind functions in Python that are its bus."""

import ctypes
import subprocess
from collections.abc import Sequence
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from pathlib import Path

import numpy as np

from hw import registers
from sw.compiler import Program

__all__ = ["CC", "CDriver", "FakeBus", "compiled", "shape_of"]

#: As the README says it compiles.
CC = ("gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
#: What Python asks of a network and of the driver's state, which it does not look into.
_GLUE = """\
#include "partita_network.h"
const struct partita_network *glue_network(void) { return &partita_network; }
size_t glue_bytes(void) { return sizeof(struct partita); }
const char *glue_message(const struct partita *p) { return p->message; }
"""
_READ = CFUNCTYPE(c_int, c_void_p, c_uint32, POINTER(c_uint32))
_WRITE = CFUNCTYPE(c_int, c_void_p, c_uint32, c_uint32)
_BLOCK = CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p, c_size_t)


class _Bus(ctypes.Structure):
    _fields_ = [("context", c_void_p), ("read32", _READ), ("write32", _WRITE),
                ("read_block", _BLOCK), ("write_block", _BLOCK)]


def compiled(folder: Path, result: Path, sources: Sequence[str], *options: str) -> Path:
    """Compile sources of a bundle without a warning."""
    subprocess.run([*CC, *options, "-o", str(result), *(str(folder / s) for s in sources)],
                   check=True)
    return result


class FakeBus:
    """Registers that say what they are told to, and memory; `failing` is a register that cannot be
    read."""

    def __init__(self, program: Program):
        self.memory = np.zeros(2 * program.window_bytes + 8192, np.uint8)
        self.values = {registers.address(name): value for name in registers.GLOBAL
                       if (value := registers.reset_value(program.config, name)) is not None}
        self.failing: int | None = None

    def read_register(self, addr: int) -> int:
        if addr == self.failing:
            raise OSError("it fails")
        return self.values.get(addr, 0)

    def write_register(self, addr: int, value: int) -> None:
        self.values[addr] = value

    def read_memory(self, addr: int, count: int) -> np.ndarray:
        return self.memory[addr:addr + count]

    def write_memory(self, addr: int, data: bytes) -> None:
        self.memory[addr:addr + len(data)] = np.frombuffer(data, np.uint8)


class CDriver:
    """The driver of the bundle in `folder`, compiled into `scratch`, on a backend; its calls return
    a `partita_status`."""

    def __init__(self, folder: Path, scratch: Path, backend):
        (scratch / "glue.c").write_text(_GLUE)
        library = compiled(folder, scratch / f"driver-{folder.name}.so", ["partita.c"], "-shared",
                           "-fPIC", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error",
                           f"-I{folder}", str(scratch / "glue.c"))
        self._lib = ctypes.CDLL(str(library))
        for name in ("glue_network", "glue_message"):
            getattr(self._lib, name).restype = c_char_p if "message" in name else c_void_p
        self.network = c_void_p(self._lib.glue_network())
        self._state = ctypes.create_string_buffer(self._lib.glue_bytes())
        self.backend = backend
        self._bus = _Bus(None, _READ(self._read), _WRITE(self._write), _BLOCK(self._get),
                         _BLOCK(self._put))

    def __getattr__(self, name: str):
        """`partita_` and the name, of this driver."""
        function = getattr(self._lib, f"partita_{name}")
        return lambda *values: function(self._state, *values)

    @property
    def message(self) -> str:
        return self._lib.glue_message(self._state).decode()

    def begin(self, image: bytes, base: int = 0) -> int:
        """Open and load."""
        return self.open(ctypes.byref(self._bus)) or self.load(
            self.network, c_uint32(base), image, c_size_t(len(image)))

    def load_again(self, image: bytes) -> int:
        """Load where it is open already."""
        return self.load(self.network, c_uint32(0), image, c_size_t(len(image)))

    def output(self, layer: int, shape: Sequence[int]) -> np.ndarray:
        found = np.zeros(shape, np.int8)
        assert self.read_layer(c_uint32(layer), found.ctypes.data_as(c_void_p)) == 0, self.message
        return found

    def cycles(self, instance: int) -> dict[str, int]:
        found = (c_uint32 * len(registers.COUNTERS))()
        assert self.read_cycles(c_uint32(instance), found) == 0, self.message
        return dict(zip(registers.COUNTERS, found, strict=True))

    # -- the bus -------------------------------------------------------------------------------
    def _read(self, context, address, value) -> int:
        try:
            value[0] = self.backend.read_register(address)
        except OSError:
            return -7
        return 0

    def _write(self, context, address, value) -> int:
        try:
            self.backend.write_register(address, value)
        except OSError:
            return -7
        return 0

    def _get(self, context, address, data, count) -> int:
        found = np.ascontiguousarray(self.backend.read_memory(address, count))
        ctypes.memmove(data, found.ctypes.data, count)
        return 0

    def _put(self, context, address, data, count) -> int:
        self.backend.write_memory(address, ctypes.string_at(data, count))
        return 0


def shape_of(program: Program, layer: int) -> tuple[int, int, int]:
    place = program.outputs[layer]
    assert place is not None
    return place.shape
