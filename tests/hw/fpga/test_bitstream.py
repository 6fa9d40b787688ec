"""A bitstream tells for which device it is."""

import pytest

from hw.fpga.bitstream import BitstreamError, ecp5_identity
from hw.fpga.devices import DEVICES


def test_the_identity_follows_the_preamble_and_the_command_that_compares_it():
    comment = b"\xff\x00Part: LFE5U-25F-6CABGA381\x00\xff"
    bits = comment + bytes.fromhex("ffff bdb3 ffffffff 3b000000 e2000000 41111043 2200")
    assert ecp5_identity(bits) == DEVICES["ecp5-25k"].identity == 0x41111043


@pytest.mark.parametrize("bits", [b"", b"bits", bytes.fromhex("ffffbdb3e2000000"),
                                  bytes.fromhex("e200000041111043ffffbdb3")])
def test_what_has_none_is_refused(bits):
    with pytest.raises(BitstreamError, match="asks for no identity"):
        ecp5_identity(bits)
