"""Turns a value change dump into an FST file, which viewers open faster and which is smaller."""

import re
from pathlib import Path

from hw.support.errors import ToolMissingError

from .vcd import VcdError

__all__ = ["require_fst", "vcd_to_fst"]

_VAR = re.compile(r"\$var (\S+) +(\d{1,6}) (\S+) (.+?) +\$end")
_KINDS = {"wire": "FST_VT_VCD_WIRE", "reg": "FST_VT_VCD_REG", "integer": "FST_VT_VCD_INTEGER",
          "parameter": "FST_VT_VCD_PARAMETER"}


def require_fst():
    """The module that writes FST files.

    Raises
    ------
    ToolMissingError
    """
    try:
        import pylibfst
    except ImportError as error:
        raise ToolMissingError("pylibfst, which writes FST files, is missing: pip install "
                               "pylibfst; or write a .vcd") from error
    return pylibfst.ffi, pylibfst.lib


def vcd_to_fst(source: Path, target: Path, version: bytes = b"") -> None:
    """Write the signals, scopes and changes of a VCD file as FST.

    Parameters
    ----------
    source : Path
        As Verilator writes it.
    target : Path
        Replaced if it exists.

    Raises
    ------
    ToolMissingError
    VcdError
        If a line is not understood.
    """
    ffi, lib = require_fst()
    writer = lib.fstWriterCreate(str(target).encode(), 1)
    if writer == ffi.NULL:
        raise OSError(f"{target} cannot be written")
    try:
        lib.fstWriterSetPackType(writer, lib.FST_WR_PT_LZ4)
        lib.fstWriterSetVersion(writer, version)
        handles: dict[str, tuple[int, int]] = {}
        with source.open() as file:
            for number, line in enumerate(file, 1):
                try:
                    _copy(line.strip(), ffi, lib, writer, handles)
                except (ValueError, KeyError, IndexError):
                    raise VcdError(f"{source}: line {number} is unreadable: "
                                   f"{line[:80].strip()!r}") from None
    finally:
        lib.fstWriterClose(writer)


def _copy(line: str, ffi, lib, writer, handles: dict[str, tuple[int, int]]) -> None:
    """Write one line of the dump; `handles` maps codes to (FST's handle, bits)."""
    head = line[:1]
    if head == "#":
        lib.fstWriterEmitTimeChange(writer, int(line[1:]))
    elif head in ("0", "1", "x", "z"):
        lib.fstWriterEmitValueChange(writer, handles[line[1:]][0], head.encode())
    elif head == "b":
        value, code = line[1:].split()
        handle, bits = handles[code]
        fill = "0" if value[0] == "1" else value[0]
        lib.fstWriterEmitValueChange(writer, handle, value.rjust(bits, fill).encode())
    elif line.startswith("$var"):
        match = _VAR.match(line)
        if match is None:
            raise ValueError("no declaration")
        kind, bits, code, name = match[1], int(match[2]), match[3], match[4]
        old = handles.get(code, (0, 0))[0]
        handle = lib.fstWriterCreateVar(
            writer, getattr(lib, _KINDS.get(kind, "FST_VT_VCD_WIRE")), lib.FST_VD_IMPLICIT, bits,
            name.encode(), old)
        handles.setdefault(code, (handle, bits))
    elif line.startswith("$scope"):
        lib.fstWriterSetScope(writer, lib.FST_ST_VCD_MODULE, line.split()[2].encode(), ffi.NULL)
    elif line.startswith("$upscope"):
        lib.fstWriterSetUpscope(writer)
    elif line.startswith("$timescale"):
        lib.fstWriterSetTimescaleFromString(writer, line.split()[1].encode())
