"""Requests follow each other without waiting for answers, and none is lost or done wrongly."""

import random

import numpy as np
import pytest

from boards.catalogue import BOARDS
from boards.host.client import SerialBackend
from boards.host.errors import BoardReset
from tests.support.fakeboard import FakeBoard

BOARD = BOARDS["ulx3s-25f"]
CONFIG = BOARD.config


def connect(board: FakeBoard, **options) -> SerialBackend:
    return SerialBackend(CONFIG, board, baud=board.baud, clock=board.clock,
                         chance=random.Random(1), **options)


@pytest.mark.parametrize("latency_s", [0.001, 0.016])
def test_an_adapter_that_keeps_answers_back_costs_little(latency_s):
    """A network of digits, pruned to the board's 8 partitions, is 161,008 bytes."""
    board = FakeBoard(CONFIG, size=1 << 18, latency_s=latency_s)
    link = connect(board)
    data = np.frombuffer(random.Random(1).randbytes(161_008), np.uint8)
    began = board.now
    link.write_memory(0, data)
    line_s = data.size * 10 / board.baud
    assert board.now - began < 1.15 * line_s + 0.05 < 2
    assert link.repeats == 0 and board.memory[:data.size] == data.tobytes()
    began = board.now
    assert np.array_equal(link.read_memory(0, data.size), data)
    assert board.now - began < 1.3 * line_s + 0.05


@pytest.mark.parametrize("drop_every", [7_001, 2_503])
def test_lost_bytes_are_made_good(drop_every):
    for seed in range(2):
        board = FakeBoard(CONFIG, size=1 << 16, latency_s=0.004, drop_every=drop_every + seed)
        link = connect(board)
        draw = random.Random(seed)
        wanted = bytearray(1 << 16)
        for _ in range(4):
            at, count = draw.randrange(40_000), draw.randrange(1, 20_000)
            data = draw.randbytes(count)
            link.write_memory(at, data)
            wanted[at:at + count] = data
            assert board.memory == wanted
            assert bytes(link.read_memory(at, count)) == data
    assert link.repeats > 0


def test_a_board_that_is_slower_than_thought_is_given_more_time():
    board = FakeBoard(CONFIG, think_s=0.003)
    link = connect(board)
    data = bytes(range(256)) * 200
    link.write_memory(0, data)
    assert board.memory[:len(data)] == data
    seen = link.repeats
    link.write_memory(0, data[::-1])
    assert board.memory[:len(data)] == data[::-1]
    assert link.repeats - seen < 3, "the pause is not kept"


def test_what_lies_beyond_the_memory_is_told_from_within_a_stream():
    link = connect(FakeBoard(CONFIG, size=1 << 15))
    with pytest.raises(ValueError, match="there is no memory at 0x8000"):
        link.write_memory(0, bytes(40_000))


def test_a_reset_within_a_stream_is_told():
    board = FakeBoard(CONFIG)
    link = connect(board)
    seen = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == 5:
            board.reset()

    link._progress = progress
    with pytest.raises(BoardReset, match="has been reset before WRITE_MEMORY at 0x"):
        link.write_memory(0, bytes(40_000))


def test_a_stream_that_was_interrupted_leaves_a_link_that_goes_on():
    for stop in range(1, 20):
        board = FakeBoard(CONFIG, latency_s=0.016)
        link = connect(board)
        calls: list = []

        def progress(done: int, total: int, calls=calls, stop=stop) -> None:
            calls.append(done)
            if len(calls) == stop:
                raise KeyboardInterrupt

        link._progress = progress
        with pytest.raises(KeyboardInterrupt):
            link.write_memory(0, bytes(20_000))
        link._progress = lambda done, total: None
        link.write_memory(100, b"after all")
        assert bytes(link.read_memory(100, 9)) == b"after all"
