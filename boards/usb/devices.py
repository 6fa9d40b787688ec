"""What is plugged in: USB devices with their serial ports, and which of them a board is."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from boards.catalogue import Board
from sw.driver.errors import DriverError

__all__ = ["NoBoard", "UsbDevice", "check_alone", "find_device", "find_port", "owner_group",
           "sees_all_devices", "serial_port", "usb_devices"]

_SYSFS = Path("/sys/bus/usb/devices")


class NoBoard(DriverError):
    """No board is plugged in, or it is not clear which."""


@dataclass(frozen=True)
class UsbDevice:
    """A USB device.

    Members
    -------
    ids : "vendor:product"
    bus, number : where it is, as `lsusb` says; None where the system does not tell
    serial, product, maker : its strings, or ""
    ports : interface -> path of its serial port
    """

    ids: str
    bus: int | None = None
    number: int | None = None
    serial: str = ""
    product: str = ""
    maker: str = ""
    ports: dict[int, str] = field(default_factory=dict)

    @property
    def node(self) -> Path | None:
        """What a programmer opens, on Linux."""
        return None if self.bus is None else Path(f"/dev/bus/usb/{self.bus:03d}/{self.number:03d}")

    def __str__(self) -> str:
        said = [self.ids, *([repr(self.product)] if self.product else []),
                *([f"serial number {self.serial}"] if self.serial else [])]
        return " ".join(said)


def usb_devices(sysfs: Path = _SYSFS) -> list[UsbDevice] | None:
    """What is plugged in; None where the system does not tell."""
    if sysfs.is_dir():
        return [d for folder in sorted(sysfs.glob("*")) if (d := _from_sysfs(folder))]
    if sys.platform.startswith("linux"):
        return None
    return _from_pyserial()


def sees_all_devices(sysfs: Path = _SYSFS) -> bool:
    """Whether `usb_devices` knows devices without a serial port, as a bootloader is."""
    return sysfs.is_dir()


def _from_sysfs(folder: Path) -> UsbDevice | None:
    """A device of Linux; its interfaces are folders beside it, such as 1-2:1.1 beside 1-2."""
    def text(name: str) -> str:
        try:
            return (folder / name).read_text().strip()
        except (OSError, UnicodeDecodeError):
            return ""

    if ":" in folder.name or not text("idVendor"):
        return None
    ports = {}
    for interface in sorted(folder.parent.glob(f"{folder.name}:*")):
        try:
            number = int((interface / "bInterfaceNumber").read_text(), 16)
        except (OSError, ValueError):
            continue
        for port in (*interface.glob("ttyUSB*"), *interface.glob("tty/ttyACM*")):
            ports[number] = f"/dev/{port.name}"
    try:
        bus, number = int(text("busnum")), int(text("devnum"))
    except ValueError:
        return None
    return UsbDevice(f"{text('idVendor')}:{text('idProduct')}".lower(), bus, number,
                     text("serial"), text("product"), text("manufacturer"), ports)


def _from_pyserial() -> list[UsbDevice]:
    """The devices of other systems that have serial ports, each with its ports in order; macOS
    names them /dev/cu.usbserial-..., the letter or digit at the end tells the interface."""
    from serial.tools import list_ports
    found: dict[tuple, list[str]] = {}
    for port in list_ports.comports():
        if port.vid is not None and not port.device.startswith("/dev/tty."):
            key = (f"{port.vid:04x}:{port.pid:04x}", port.serial_number or "", port.product or "",
                   port.manufacturer or "")
            found.setdefault(key, []).append(port.device)
    return [UsbDevice(ids, serial=serial, product=product, maker=maker,
                      ports=dict(enumerate(sorted(paths))))
            for (ids, serial, product, maker), paths in found.items()]


def find_device(board: Board, devices: list[UsbDevice], serial: str | None = None) -> UsbDevice:
    """The one device that may be a board: by its ids, and by its product's name where others have
    the same.

    Raises
    ------
    NoBoard
        If there is none, or more than one.
    """
    alike = [d for d in devices if d.ids == board.usb.ids]
    if serial is not None:
        chosen = [d for d in alike if d.serial == serial]
        if not chosen:
            raise NoBoard(f"--serial is {serial}: no device {board.usb.ids} has it; there "
                          f"{_listed(alike)}")
        alike = chosen
    named = [d for d in alike if board.usb.name.lower() in d.product.lower()]
    found = named or alike
    if not found:
        raise NoBoard(
            f"no {board.title} is plugged in: there is no USB device {board.usb.ids}, and there "
            f"{_listed(devices)}; plug it in at {board.usb.plug}, with a cable that carries data")
    if len(found) > 1:
        told_apart = len({d.serial for d in found}) == len(found)
        raise NoBoard(f"more than one device may be the {board.title}: there {_listed(found)}; "
                      + ("say which with --serial NUMBER, or unplug the others" if told_apart else
                         "their serial numbers are alike: unplug the others"))
    return found[0]


def check_alone(board: Board, devices: list[UsbDevice], bitstream: Path) -> None:
    """Refuse a bootloader beside which there is another: openFPGALoader takes the first of them,
    whatever bus and device it is given.

    Raises
    ------
    NoBoard
    """
    alike = [d for d in devices if d.ids == board.usb.ids]
    if len(alike) > 1:
        where = ", ".join(f"{d} at bus {d.bus}, device {d.number}" for d in alike)
        raise NoBoard(
            f"{len(alike)} bootloaders are plugged in, {where}; openFPGALoader loads the first "
            "that it finds: unplug all but one, or take dfu-util, which can be told: dfu-util "
            f"--device {board.usb.ids} --devnum {alike[0].number} --alt 0 --download {bitstream}")


def _listed(devices: list[UsbDevice]) -> str:
    """Devices in words, hubs aside."""
    shown = [str(d) for d in devices if not d.ids.startswith("1d6b:")]
    if not shown:
        return "is nothing"
    return f"{'is' if len(shown) == 1 else 'are'} {', '.join(shown)}"


def serial_port(board: Board, device: UsbDevice) -> str:
    """The path of a board's link on its own USB device.

    Raises
    ------
    NoBoard
        If it has none.
    """
    wanted = board.usb.uart
    ports = device.ports
    if wanted is not None and (path := ports.get(wanted) or (
            next(iter(ports.values())) if len(ports) == 1 and device.bus is None else None)):
        return path
    raise NoBoard(f"{device} has no serial port at its interface {wanted}; there "
                  + (f"are {', '.join(ports.values())}" if ports else "is none")
                  + ": unplug it, wait, plug it in again, and see: python -m boards doctor")


def find_port(board: Board, port: str, serial: str | None) -> str:
    """The path of a board's link: `port`, or where that is "auto", what is plugged in.

    Raises
    ------
    NoBoard
    ValueError
        If the link is not on the board's own USB device.
    """
    if port != "auto":
        return port
    if board.usb.uart is None:
        raise ValueError(f"--port is auto; the {board.title}'s link is {board.link}, behind an "
                         "adapter of its own: name that adapter's port, such as /dev/ttyUSB0")
    devices = usb_devices()
    if devices is None:
        raise NoBoard("the system does not list USB devices: name the port with --port PATH")
    return serial_port(board, find_device(board, devices, serial))


def owner_group(path: str) -> str:
    """The group whose members may open a port."""
    try:
        import grp  # not everywhere
        return grp.getgrgid(os.stat(path).st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return "dialout"
