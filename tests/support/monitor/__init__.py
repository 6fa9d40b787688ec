"""The harness' monitor of a memory port and of those of instances by itself, cycle by cycle."""

import ctypes
import subprocess
from pathlib import Path

from hw.registers import address
from sim.verilated.monitor import MONITOR_HEADER, MONITOR_MACRO

__all__ = ["Bench", "build_bench", "tag"]

_REQUEST = ("valid", "addr", "len", "user", "id", "size", "burst")
_u32, _u64 = ctypes.c_uint32, ctypes.c_uint64


class _Request(ctypes.Structure):
    _fields_ = [(name, _u32) for name in _REQUEST]


class _Cycle(ctypes.Structure):
    _fields_ = [
        *((name, _u32) for name in ("running", "alive", "data", "taken", "blank", "told", "unasked",
                                    "gets", "channel", "beats")),
        ("ar", _Request), ("aw", _Request),
        *((name, _u32) for name in ("wvalid", "wlast", "bready", "rready", "wdata")),
        ("wstrb", _u64),
        *((name, _u32) for name in ("arready", "awready", "wready", "bvalid", "rvalid", "rlast",
                                    "rresp", "bresp", "rdata"))]


def build_bench(folder: Path) -> ctypes.CDLL:
    """Compile the monitor and the C interface beside this file into a folder."""
    library = folder / "bench.so"
    subprocess.run(["g++", "-shared", "-fPIC", "-std=gnu++20", "-O1", MONITOR_MACRO,
                    f"-I{MONITOR_HEADER.parent}", str(Path(__file__).parent / "bench.cpp"), "-o",
                    str(library)], check=True)
    lib = ctypes.CDLL(str(library))
    pointer = ctypes.c_void_p
    for name, result, arguments in (
            ("new", pointer, [_u32, _u32, ctypes.c_int]), ("free", None, [pointer]),
            ("write", None, [pointer, _u32, _u32, _u32]), ("guard", None, [pointer]),
            ("place", None, [pointer, _u32, _u64, _u64]),
            ("cycle", None, [pointer, ctypes.POINTER(_Cycle)]),
            ("breach", ctypes.c_char_p, [pointer, ctypes.POINTER(_u64)])):
        function = getattr(lib, f"bench_{name}")
        function.restype, function.argtypes = result, arguments
    return lib


def tag(instance: int, channel: int, layer: int = 0) -> int:
    """A bus tag."""
    return layer << 7 | channel << 5 | instance


class Bench:
    """A monitor of a port of `BEAT` bytes, of two instances that run in `WINDOWS`."""

    BEAT = 4
    WINDOWS = ((0x1000, 0x4000), (0x8000, 0x2000))

    def __init__(self, lib: ctypes.CDLL, own: int = -1):
        self._lib = lib
        self._bench = lib.bench_new(self.BEAT, 2, own)
        for i, (base, size) in enumerate(self.WINDOWS):
            self.write("WINDOW_BASE", i, base)
            self.write("WINDOW_BYTES", i, size)

    def close(self) -> None:
        self._lib.bench_free(self._bench)

    def write(self, name: str, instance: int, value: int, response: int = 0) -> None:
        """The host writes a register of an instance, and has this response."""
        self._lib.bench_write(self._bench, address(name, instance), value, response)

    def guard(self, places: dict[int, tuple[int, int]]) -> None:
        """Programs write these places, by layer."""
        self._lib.bench_guard(self._bench)
        for layer, place in places.items():
            self._lib.bench_place(self._bench, layer, *place)

    def cycle(self, *, running: int = 0b11, alive: int = 0b11, ar: dict[str, int] | None = None,
              aw: dict[str, int] | None = None, **signals: int) -> None:
        """A cycle in which both sides are ready and nothing passes but what is given."""
        made = _Cycle(running=running, alive=alive, **{
            **dict.fromkeys(("arready", "awready", "wready", "bready", "rready"), 1), **signals})
        for name, request in (("ar", ar), ("aw", aw)):
            usual = {"valid": 1, "addr": 0x1000, "user": tag(0, 2 if name == "ar" else 3),
                     "size": 2, "burst": 1}
            if request is not None:
                for field, value in {**usual, **request}.items():
                    setattr(getattr(made, name), field, value)
        self._lib.bench_cycle(self._bench, ctypes.byref(made))

    def breach(self) -> tuple[str, int, int, int] | None:
        """The rule that was broken first, and its cycle, address and bus tag."""
        where = (_u64 * 3)()
        rule = self._lib.bench_breach(self._bench, where)
        return None if rule is None else (rule.decode(), *where)
