"""From a placed and routed ECP5 design to the file that a board's programmer wants."""

import struct
import zlib
from pathlib import Path

from boards.catalogue import Board
from hw.fpga.bitstream import ecp5_identity
from hw.fpga.tools import ToolError, run_tool

__all__ = ["dfu_suffix", "pack_ecp5"]

#: MHz at which an ECP5 reads its flash memory as it starts: a second at most for a full 85F, which
#: takes six at the 2.4 that are otherwise, and below the 50 that a plain read of any of the boards'
#: flash chips allows.
_ECP5_BOOT_MHZ = "38.8"


def pack_ecp5(board: Board, folder: Path) -> None:
    """Make an ECP5's bitstream, as the board's programmer wants it."""
    run_tool("yowasp-ecppack", ["--compress", "--freq", _ECP5_BOOT_MHZ, "--input", "top.config",
                                "--bit", "top.bit"], folder)
    bits = (folder / "top.bit").read_bytes()
    if (found := ecp5_identity(bits)) != board.device.identity:
        raise ToolError(f"the tools made a bitstream for a device 0x{found:08x}; "
                        f"{board.device.name} is 0x{board.device.identity:08x}")
    if board.bitstream.endswith(".dfu"):
        (folder / board.bitstream).write_bytes(bits + dfu_suffix(bits, board.usb.ids))


def dfu_suffix(data: bytes, ids: str) -> bytes:
    """What ends a file for a USB bootloader: for which device it is, and a crc.

    Source: USB Device Firmware Upgrade 1.1, appendix B.
    """
    vendor, product = (int(n, 16) for n in ids.split(":"))
    suffix = struct.pack("<HHHH3sB", 0xFFFF, product, vendor, 0x0100, b"UFD", 16)
    return suffix + struct.pack("<I", zlib.crc32(data + suffix) ^ 0xFFFFFFFF)
