"""From Amaranth to Verilog, in half the time that Amaranth takes with large memories."""

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from amaranth.back import rtlil, verilog

from .fuse import fuse_clocked

__all__ = ["to_verilog"]

# A stream without payload still declares one; Verilog has no nets of width zero.
_NO_BITS = re.compile(r"^  wire \[-1:0\] [^;=]+;\n", re.MULTILINE)
_converting = Lock()


def to_verilog(elaboratable, name: str, **options) -> str:
    """Return the Verilog of a design and of its submodules, which are named after it.

    A memory whose contents are all zero has none here: they are undefined until written.
    """
    with _converting, _zeros_unlisted(), _uncollected():
        text = verilog.convert(elaboratable, name=name, emit_src=False, **options)
    return fuse_clocked(_NO_BITS.sub("", text))


@contextmanager
def _zeros_unlisted() -> Iterator[None]:
    """Let Amaranth leave out contents that are zero: it makes an object of each of their bits,
    over a million in an instance of the default configuration. What another thread converts by
    other ways meanwhile lacks them, too."""
    emit = rtlil.ModuleEmitter.emit_memory

    def emit_contents(self, index, cell):
        if any(cell.init):
            emit(self, index, cell)

    rtlil.ModuleEmitter.emit_memory = emit_contents
    try:
        yield
    finally:
        rtlil.ModuleEmitter.emit_memory = emit


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave garbage where it is: a netlist is all alive, and looking through it takes a quarter
    of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
