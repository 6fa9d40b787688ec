"""The C functions of the harness."""

import ctypes
from pathlib import Path

__all__ = ["load_library"]


def load_library(path: Path) -> ctypes.CDLL:
    """Open a library that `sim.verilated.build.build` made; its functions lack `partita_`."""
    lib = ctypes.CDLL(str(path))
    u64, u32, pointer, i = ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_int
    signatures = {
        "new": (pointer, [u64, u32, u32, u32, u32, u32, u64, pointer, i, u64]),
        "free": (None, [pointer]),
        "poke": (None, [pointer, u64, pointer, u64]), "peek": (None, [pointer, u64, pointer, u64]),
        "write_register": (i, [pointer, u32, u32]),
        "read_register": (i, [pointer, u32, ctypes.POINTER(u32)]),
        "run": (u64, [pointer, u64]), "all_ended": (i, [pointer]),
        "fault": (ctypes.c_char_p, [pointer]),
        "breach": (ctypes.c_char_p, [pointer, ctypes.POINTER(u64)]),
        "guard": (None, [pointer]), "place": (None, [pointer, u32, u64, u64]),
        "disturb": (i, [pointer, u64, u64, u64, u32, u32, u64]),
        "disturbed": (u64, [pointer, ctypes.POINTER(u64)]),
        "check": (None, [pointer, i]), "doze": (None, [pointer, i]),
        "count_toggles": (None, [pointer, i]),
        "begin": (None, [pointer]), "end": (None, [pointer, u32]), "cycle": (u64, [pointer]),
        "layers_ended": (ctypes.POINTER(u32), [pointer]),
        "causes": (ctypes.POINTER(u64), [pointer, i]),
        "page_misses": (ctypes.POINTER(u64), [pointer]),
        "spared": (ctypes.POINTER(u64), [pointer]),
        "traffic": (ctypes.POINTER(u64), [pointer]),
        "toggles": (u64, [pointer, i, u32, ctypes.POINTER(u64)]),
        "flip_flop_bits": (u64, [pointer, i]),
    }
    if hasattr(lib, "partita_trace"):
        signatures["trace"] = (i, [pointer, ctypes.c_char_p, u64])
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, f"partita_{name}")
        function.restype, function.argtypes = result, arguments
    return lib
