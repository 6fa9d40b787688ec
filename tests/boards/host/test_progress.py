"""Long transfers tell what is left; off a terminal a line stands now and then."""

import random

from boards.catalogue import BOARDS
from boards.host.client import SerialBackend
from boards.host.progress import Transfers
from tests.support.fakeboard import FakeBoard


def test_the_time_that_is_left_is_that_of_each_transfer():
    now = [1.0]
    said: list[str] = []
    told = Transfers(said.append, lambda: now[0])
    for time, done, total in ((1, 1024, 10240), (2, 2048, 10240), (50, 1024, 1 << 20),
                              (51, 2048, 1 << 20), (52, 100, 200), (53, 200, 200)):
        now[0] = time
        told(done, total)
    assert said == ["2,048 of 10,240 bytes, about 8 s left",
                    "2,048 of 1,048,576 bytes, about 17 min left"]


def test_pieces_that_are_expected_have_one_time_that_is_left():
    now = [0.0]
    said: list[str] = []
    told = Transfers(said.append, lambda: now[0])
    told.expect(100_000)
    for time, done, total in ((1, 1000, 1000), (2, 1000, 9000), (3, 2000, 9000), (10, 9000, 9000),
                              (100, 90_000, 90_000), (101, 1024, 10240), (102, 2048, 10240)):
        now[0] = time
        told(done, total)
    assert said == ["1,000 of 100,000 bytes, about 99 s left",
                    "2,000 of 100,000 bytes, about 98 s left",
                    "3,000 of 100,000 bytes, about 97 s left",
                    "10,000 of 100,000 bytes, about 90 s left",
                    "100,000 of 100,000 bytes, about 0 s left",
                    "2,048 of 10,240 bytes, about 8 s left"]


def test_what_a_session_moves_is_counted_once():
    said: list[str] = []
    config = BOARDS["ulx3s-25f"].config
    fake = FakeBoard(config)
    told = Transfers(said.append, fake.clock)
    link = SerialBackend(config, fake, baud=fake.baud, clock=fake.clock, progress=told,
                         chance=random.Random(3))
    sizes = (40_000, 50_000, 10_000)
    told.expect(sum(sizes))
    for size in sizes:
        link.write_memory(0, bytes(size))
    moved = [int(x.split()[0].replace(",", "")) for x in said]
    assert moved == sorted(set(moved)) and moved[-1] == sum(sizes)
    assert said[-1] == "100,000 of 100,000 bytes, about 0 s left"
