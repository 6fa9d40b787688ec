"""A board that is broken in one way is told what it is."""

import dataclasses
import random

import pytest

from boards.catalogue import BOARDS, Board
from boards.gateware.chips import ULX3S_SDRAM
from boards.host import memorytest
from boards.host.check import Scope, check_board, known_answer
from boards.host.client import SerialBackend
from sw.compiler import compile_graph
from tests.support.fakeboard import FakeBoard

SIZE = 1 << 16
SCOPE = Scope(link_bytes=20_000, blocks=8, retention_s=10.0, core=False)


@pytest.fixture
def board() -> Board:
    """A ULX3S whose chip is as small as a test wants it."""
    return dataclasses.replace(BOARDS["ulx3s-25f"], sdram=dataclasses.replace(ULX3S_SDRAM, rows=16))


def findings(board: Board, scope: Scope = SCOPE, **faults) -> dict[str, tuple[bool, str]]:
    fake = FakeBoard(board.config, size=SIZE, **faults)
    link = SerialBackend(board.config, fake, baud=fake.baud, clock=fake.clock,
                         chance=random.Random(3))
    found = check_board(board, board.config, link, scope, build=bytes(8), sleep=fake.sleep,
                        clock=fake.clock)
    return {f.what: (f.ok, f.found) for f in found}


def test_a_board_in_order_is_told_so(board):
    found = findings(board)
    assert list(found) == ["identity", "link", "data pins", "address pins", "memory", "retention",
                           "clock"]
    assert all(ok for ok, _ in found.values()), found
    assert "0 repetitions" in found["link"][1] and "65,536 bytes" in found["address pins"][1]


@pytest.mark.parametrize(("faults", "first", "said"), [
    ({"stuck": (5, 1)}, "data pins", "DQ5 reads 1 always"),
    ({"stuck": (14, 0)}, "data pins", "DQ14 reads 0 always"),
    ({"tied": 13}, "address pins", "A1 as a row's has no effect"),
    ({"tied": 10}, "address pins", "BA0 as a bank's has no effect"),
    ({"tied": 4}, "address pins", "A3 as a column's has no effect"),
    ({"fades_after_s": 5.0}, "retention", "the memory is not refreshed"),
    ({"drop_every": 9001}, "link", "bytes are lost or damaged on the way"),
    ({"clock_hz": 49.9e6}, "clock", "not 50: is the board's oscillator one of 25 MHz"),
    ({"build": b"olderone"}, "identity", "an older or another bitstream of this configuration"),
])
def test_the_first_thing_that_fails_names_the_fault(faults, first, said, board):
    found = findings(board, **faults)
    failed = [what for what, (ok, _) in found.items() if not ok]
    assert failed[0] == first and said in found[first][1], found
    at_once = not found["retention"][0] and not found["memory"][0]
    assert at_once == ("some were so at once" in found["retention"][1])
    assert first == "retention" or "not refreshed" not in found["retention"][1]


#: A block of the upper memory that the march over some of it leaves out.
UPPER = next(k for k in range(SIZE - 8192, SIZE, 1024)
             if k not in memorytest.blocks(SIZE, most=SCOPE.blocks))


@pytest.mark.parametrize(("faults", "said"), [
    ({"weak": range(UPPER + 700, UPPER + 701)}, f"the first at 0x{UPPER + 700:x}"),
    ({"alias": (UPPER + 96, UPPER + 1020)}, f"the first at 0x{UPPER + 96:x}"),
])
def test_what_is_broken_in_a_place_is_found_by_the_march_of_the_whole_memory(faults, said, board):
    assert all(ok for ok, _ in findings(board, **faults).values())
    found = findings(board, dataclasses.replace(SCOPE, blocks=None), **faults)
    assert next(what for what, (ok, _) in found.items() if not ok) == "memory"
    assert said in found["memory"][1] and "65,536 of 65,536 tested" in found["memory"][1]


def test_the_link_of_a_board_with_little_memory_carries_as_much(board):
    fake = FakeBoard(board.config, size=SIZE)
    link = SerialBackend(board.config, fake, baud=fake.baud, clock=fake.clock,
                         chance=random.Random(3))
    found = check_board(board, board.config, link, Scope(), sleep=fake.sleep, clock=fake.clock)
    said = next(f.found for f in found if f.what == "link")
    assert said.startswith("100,000 bytes to the board and 100,000 back, 0 repetitions in 196 ")


@pytest.mark.parametrize("name", BOARDS)
def test_the_known_answer_fits_every_board(name):
    board = BOARDS[name]
    graph, _ = known_answer(board.config)
    assert compile_graph(graph, board.config).window_bytes <= board.system().memory_bytes
