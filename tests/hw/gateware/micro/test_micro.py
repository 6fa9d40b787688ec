"""The microcoded core's assembler, its microprogram, and what it asks of a configuration."""

import itertools

import pytest

from hw.config import PRESETS
from hw.gateware.micro.machine import FILE_SLOT, IMMEDIATE_BITS, VARIABLE_SLOTS, Assembler, Op, Slot
from hw.gateware.micro.program import microprogram
from hw.gateware.micro.writer import slots

SMALL = PRESETS["ice40up5k"]


def test_instructions_are_encoded_as_the_machine_says():
    made = Assembler()
    made.emit(Op.SET, "later")
    made.emit(Op.STORE, "x")
    made.emit(Op.ADD, Slot(5))
    made.label("later")
    made.emit(Op.STEP, -1)
    made.emit(Op.LOAD, "y")
    made.emit(Op.SUB, "x")
    assert made.words() == [0x4003, 0x3000, 0x1805, 0x57FF, 0x0001, 0x2000]
    assert made.address("later") == 3


def test_what_does_not_fit_is_refused():
    made = Assembler()
    made.label("here")
    with pytest.raises(ValueError, match="label here is there twice"):
        made.label("here")
    made.emit(Op.SET, 1 << IMMEDIATE_BITS)
    with pytest.raises(ValueError, match="SET 2048 does not fit"):
        made.words()
    many = Assembler()
    for k in range(FILE_SLOT * VARIABLE_SLOTS + 1):
        many.emit(Op.STORE, f"v{k}")
    with pytest.raises(ValueError, match="129 variables do not fit"):
        many.words()


@pytest.mark.parametrize("queue", [1, 4])
def test_the_microprogram_of_every_shape_fits(queue):
    for rows, cols in itertools.product((1, 2, 4), repeat=2):
        if rows * cols >= 4:
            config = SMALL.replace(array__rows=rows, array__cols=cols, buffers__queue_depth=queue)
            assert 1000 < len(microprogram(config).words()) <= 1 << IMMEDIATE_BITS
            assert slots(config) <= 32


@pytest.mark.parametrize("changes,message", [
    ({"core": "tiny"}, "core is 'tiny'; it must be 'pipelined' or 'microcoded'"),
    ({"instances": 2}, "instances is 2; with core 'microcoded' it must be 1"),
    ({"port__bytes": 8}, "port.bytes is 8; with core 'microcoded' it must be 4"),
    ({"array__rows": 8}, "array.rows is 8; with core 'microcoded' it must be 1 or 2 or 4"),
    ({"array__rows": 2, "array__cols": 1}, "the array has 2 MACs; .* it must be 4 or more"),
    ({"buffers__log_entries": 64}, "buffers.log_entries is 64; .* it must be at most 32"),
])
def test_a_microcoded_core_asks_for_what_it_can_use(changes, message):
    with pytest.raises(ValueError, match=message):
        SMALL.replace(**changes)
