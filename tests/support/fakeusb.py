"""USB devices that are folders, as Linux shows them, and a programmer that is a script."""

import sys
from pathlib import Path

from boards.catalogue import Board
from boards.flow.build import BUILD

__all__ = ["ecp5_bits", "fake_programmer", "plug", "written"]


def plug(sysfs: Path, place: str, ids: str, *, product: str = "", serial: str = "",
         ports: dict[int, str] | None = None, interfaces: int = 1) -> None:
    """Plug a device in at a place such as "1-2"; `ports`, interface -> name such as ttyUSB0."""
    folder = sysfs / place
    folder.mkdir(parents=True)
    vendor, id_product = ids.split(":")
    bus, number = place.split("-")[0], str(len(list(sysfs.iterdir())) + 4)
    for name, value in (("idVendor", vendor), ("idProduct", id_product), ("busnum", bus),
                        ("devnum", number), ("product", product), ("serial", serial)):
        if value:
            (folder / name).write_text(value + "\n")
    for k in range(interfaces):
        interface = sysfs / f"{place}:1.{k}"
        interface.mkdir()
        (interface / "bInterfaceNumber").write_text(f"{k:02x}\n")
        if port := (ports or {}).get(k):
            (interface / ("tty" if "ACM" in port else ".") / port).mkdir(parents=True)


def ecp5_bits(identity: int) -> bytes:
    """The beginning of an ECP5's bitstream, which is all that is looked at."""
    return bytes.fromhex("ff00ffffffbdb3ffffffff3b000000e2000000") + identity.to_bytes(4, "big")


def written(board: Board, folder: Path, content: bytes | None = None) -> None:
    """A folder as a board's build leaves it, with a bitstream for its device."""
    identity = board.device.identity
    bits = content if content is not None else ecp5_bits(identity) if identity else b"bits"
    BUILD.write(folder, {
        "version": 1, "board": board.name, "bitstream": board.bitstream,
        "config": board.config.to_dict(), "config_digest": board.config.digest},
        {board.bitstream: bits})


def fake_programmer(folder: Path, said: str, code: int = 0) -> tuple[str, Path]:
    """A program that says something and exits; and the file where it leaves its arguments."""
    program, asked = folder / "openFPGALoader", folder / "asked.txt"
    (folder / "said.txt").write_bytes(said.encode())
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        f"pathlib.Path({str(asked)!r}).write_text(' '.join(sys.argv[1:]))\n"
        f"sys.stdout.buffer.write(pathlib.Path({str(folder / 'said.txt')!r}).read_bytes())\n"
        f"sys.exit({code})\n")
    program.chmod(0o755)
    return str(program), asked
