"""The link's framing: nothing damaged passes, and it is in step again soon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.protocol import ESCAPE, FLAG, MAX_DATA, Deframer, Op, body, frame
from tests.support.seeds import draws


@given(st.binary(max_size=MAX_DATA), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF))
def test_a_frame_comes_out_as_it_went_in(data, sequence, address):
    content = body(Op.WRITE_MEMORY, sequence, address, data)
    line = frame(content)
    assert FLAG not in line[1:-1]
    assert Deframer().feed(line) == [content[:-4]]


@pytest.mark.parametrize("number", range(20))
def test_damage_is_dropped_and_the_second_frame_after_it_arrives(number):
    draw = draws("damage", number)
    for _ in range(50):
        data = bytes(draw.choice([FLAG, ESCAPE, draw.randrange(256)]) for _ in range(60))
        good = [frame(body(Op.WRITE_MEMORY, k, k, data)) for k in range(3)]
        line = bytearray(good[0])
        for _ in range(draw.randrange(1, 4)):
            at = draw.randrange(len(line))
            what = draw.choice(["flip", "drop", "insert"])
            if what == "flip":
                line[at] ^= 1 << draw.randrange(8)
            elif what == "drop":
                del line[at]
            else:
                line.insert(at, draw.randrange(256))
        found = Deframer().feed(bytes(line) + good[1] + good[2])
        expected = [body(Op.WRITE_MEMORY, k, k, data)[:-4] for k in range(3)]
        assert all(f in expected for f in found), "a damaged frame passed"
        assert expected[2] in found


def test_noise_never_becomes_a_frame():
    draw = draws("line noise")
    assert Deframer().feed(draw.randbytes(1_000_000)) == []
