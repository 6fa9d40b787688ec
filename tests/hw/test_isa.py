"""Instructions encode and decode without loss, and refuse what does not fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.isa import FORMATS, INSN_BYTES, Opcode, Token, decode, encode, insn_layout


@st.composite
def instructions(draw):
    opcode = draw(st.sampled_from(sorted(FORMATS, key=lambda o: o.value)))
    fields = {}
    for f in FORMATS[opcode]:
        low, high = f.bounds
        fields[f.name] = draw(st.integers(max(low, 1) if f.nonzero else low, high))
    header = {"mark": draw(st.booleans()), "layer": draw(st.integers(0, 2047)),
              "wait": draw(st.integers(0, 255)), "signal": draw(st.integers(0, 255))}
    return opcode, header, fields


@given(instructions())
def test_decode_is_the_inverse_of_encode(instruction):
    opcode, header, fields = instruction
    code = encode(opcode, **header, **fields)
    assert len(code) == INSN_BYTES
    found, values = decode(code)
    assert found is opcode
    assert values == {"opcode": opcode.value, **header, **fields}


@given(instructions())
def test_the_gateware_sees_the_same_fields(instruction):
    opcode, header, fields = instruction
    word = int.from_bytes(encode(opcode, **header, **fields), "little")
    for name, field in insn_layout(opcode):
        raw = (word >> field.offset) & ((1 << field.width) - 1)
        expected = {"opcode": opcode.value, **header, **fields}[name]
        assert raw == expected & ((1 << field.width) - 1)


def test_tokens_may_be_given_by_name():
    _, values = decode(encode(Opcode.END, wait=[Token.LOADED, Token.STORED]))
    assert values["wait"] == 0b100001


@pytest.mark.parametrize("arguments,message", [
    ({"mask": 0}, "BARRIER.mask is 0; it must be from 1 to 4294967295"),
    ({"mask": 1 << 32}, "BARRIER.mask is 4294967296; it must be from 1"),
    ({}, "BARRIER needs field 'mask'"),
    ({"mask": 1, "colour": 2}, "BARRIER has no field 'colour'"),
    ({"mask": 1, "layer": 2048}, "BARRIER.layer is 2048; it must be from 0 to 2047"),
])
def test_what_does_not_fit_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        encode(Opcode.BARRIER, **arguments)


def test_cleared_memory_is_no_instruction():
    with pytest.raises(ValueError, match="opcode 0 is not an instruction"):
        decode(bytes(INSN_BYTES))
