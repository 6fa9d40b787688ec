"""What a bitstream says of the device that it is for."""

__all__ = ["BitstreamError", "ecp5_identity"]

_PREAMBLE = bytes.fromhex("ffffbdb3")
_VERIFY_ID = bytes.fromhex("e2000000")


class BitstreamError(RuntimeError):
    """A bitstream that is none, or for another device."""

    exit_code = 1


def ecp5_identity(bits: bytes) -> int:
    """The JTAG identity that an ECP5's bitstream asks for; the device refuses it if it has another.

    It follows the command VERIFY_ID, which comes before anything that can be compressed.

    Raises
    ------
    BitstreamError
        If there is none.

    Source: Lattice FPGA-TN-02039, "ECP5 and ECP5-5G sysCONFIG", table of the bitstream's format.
    """
    begin = bits.find(_PREAMBLE)
    at = bits.find(_VERIFY_ID, begin) + len(_VERIFY_ID)
    if begin < 0 or at < len(_VERIFY_ID) or len(bits) < at + 4:
        raise BitstreamError("no ECP5's bitstream: it asks for no identity of a device")
    return int.from_bytes(bits[at:at + 4], "big")
