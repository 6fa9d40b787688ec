"""What a simulation tells of a breach of the bus: which instruction it was of."""

import pytest

from hw.gateware.signatures.ports import Channel
from hw.isa import INSN_BYTES, Opcode, encode
from sim.faults import BusBreach, Place, find_instruction
from tests.support.programs import TINY, TRANSFER, end

#: Words are of 4 bytes, chunks of 4.
PROGRAM = (
    encode(Opcode.LOAD, layer=1, mask=0, ext_addr=0x100, **TRANSFER),
    encode(Opcode.STORE, layer=1, ext_addr=0x200, **TRANSFER),
    encode(Opcode.STORE, layer=1, ext_addr=0x300, **{**TRANSFER, "runs": 3, "ext_stride": 64}),
    encode(Opcode.STORE, layer=2, ext_addr=0x300, **TRANSFER),
    encode(Opcode.WEIGHTS, layer=2, mask=0, ext_addr=0x400, chunks=8),
    end(), encode(Opcode.STORE, layer=4, ext_addr=0x200, **TRANSFER))
START = 0x40


def found(channel: Channel, layer: int, offset: int, code: bytes = b"".join(PROGRAM)) -> int | None:
    memory = bytes(START) + code
    return find_instruction(TINY, channel, layer, offset, START,
                            lambda at, count: memory[at:at + count])


@pytest.mark.parametrize(("channel", "layer", "offset", "number"), [
    (Channel.LOAD, 1, 0x100, 0), (Channel.LOAD, 1, 0x10f, 0), (Channel.STORE, 1, 0x20f, 1),
    (Channel.STORE, 1, 0x300, 2), (Channel.STORE, 1, 0x38f, 2), (Channel.STORE, 2, 0x300, 3),
    (Channel.WEIGHTS, 2, 0x400, 4), (Channel.PROGRAM, 0, START + 3 * INSN_BYTES, 3)])
def test_the_instruction_is_the_one_that_transfers_the_byte(channel, layer, offset, number):
    assert found(channel, layer, offset) == number


@pytest.mark.parametrize("offset", [0x1ff, 0x210, 0x310, 0x390, 0x1000, -4])
def test_else_it_is_the_first_that_the_layer_has_there(offset):
    assert found(Channel.STORE, 1, offset) == 1


def test_else_there_is_none():
    assert found(Channel.LOAD, 2, 0x100) is None
    assert found(Channel.STORE, 4, 0x200) is None  # behind the end
    assert found(Channel.STORE, 4, 0x200, b"") is None
    assert found(Channel.STORE, 4, 0x200, bytes(64)) is None


def test_a_breach_says_where_it_was():
    place = Place.of_tag(1234, 0x5678, 7 << 7 | 3 << 5 | 2)
    assert place == Place(1234, 0x5678, 2, Channel.STORE, 7)
    error = BusBreach("nothing is", place, "conv2", 5)
    assert str(error) == ("nothing is: broken in cycle 1234 by instance 2, channel STORE, in layer "
                          "conv2 at instruction 5, address 0x5678")
    assert error.exit_code == 1
    assert "in layer conv2, address" in str(BusBreach("nothing is", place, "conv2", None))
