"""A board's clock is measured by the host's, within what the link leaves uncertain."""

import random

import pytest

from boards.catalogue import BOARDS
from boards.host.client import SerialBackend
from boards.host.clock import Interval, Measured, busy_program, find_clock, measure_clock, off
from boards.host.errors import LinkError, LinkTimeout
from hw import registers
from hw.isa import INSN_BYTES, READ_AHEAD_BYTES, Opcode, decode, field_error
from sw.driver.errors import DriverError
from tests.support.fakeboard import FakeBoard

BOARD = BOARDS["ulx3s-25f"]
SYSTEM = BOARD.system()


def measured(fake: FakeBoard, seconds: float = 3.0) -> Measured:
    link = SerialBackend(BOARD.config, fake, baud=fake.baud, clock=fake.clock,
                         chance=random.Random(1))
    return measure_clock(SYSTEM, link, Interval(seconds=seconds, sleep=fake.sleep,
                                                now=fake.clock))


@pytest.mark.parametrize("latency_s", [0.0005, 0.016])
@pytest.mark.parametrize("mhz", [25.0, 49.5, 50.0, 50.02, 100.0])
def test_a_clock_lies_within_what_is_measured_of_it(mhz, latency_s):
    found = measured(FakeBoard(BOARD.config, clock_hz=1e6 * mhz, latency_s=latency_s))
    assert found.least <= mhz <= found.most
    assert found.most - found.least < 2.5 * mhz * (latency_s + 0.0005) / 3
    assert found.is_other(50) == (mhz not in (50.0, 50.02))


def test_what_is_measured_is_told_with_its_uncertainty():
    found = measured(FakeBoard(BOARD.config, clock_hz=49e6, latency_s=0.003))
    assert str(found).startswith("49.0") and str(found).endswith("MHz, give or take 0.052")
    assert not Measured(least=45.0, most=54.0).is_other(50), "nobody can tell"


def test_an_accelerator_that_does_not_run_measures_nothing():
    class Stopped(FakeBoard):
        def sleep(self, seconds: float) -> None:
            self.values[registers.address("RUNNING")] = 0

    with pytest.raises(DriverError, match=r"the accelerator stopped, .* cycles after"):
        measured(Stopped(BOARD.config))


@pytest.mark.parametrize("name", BOARDS)
def test_the_program_that_is_measured_on_is_legal_and_fits(name):
    board = BOARDS[name]
    config, size = board.config, board.system().memory_bytes
    program = busy_program(config, size, round(4.5e6 * board.clock_mhz))
    assert len(program) + READ_AHEAD_BYTES <= size
    *loads, end = (decode(program[k:k + INSN_BYTES]) for k in range(0, len(program), INSN_BYTES))
    assert end[0] is Opcode.END and {opcode for opcode, _ in loads} == {Opcode.LOAD}
    fields = loads[0][1]
    assert field_error(config, Opcode.LOAD, fields) is None
    assert fields["run_words"] * config.array.rows <= size
    assert fields["run_words"] <= config.buffers.act_words


@pytest.mark.parametrize("part", [0.5, 2.0, 1.05])
def test_a_wrong_clock_is_told_by_the_baud_rate_that_the_board_has(part):
    actual, fakes = round(part * BOARD.baud), []

    def connect(baud: int) -> FakeBoard:
        fakes.append(FakeBoard(BOARD.config, baud=actual, listens_at=baud,
                               clock_hz=part * 50.25e6))
        return fakes[-1]

    with pytest.raises(LinkTimeout):
        SerialBackend(BOARD.config, connect(BOARD.baud), timeout_s=1e-3)
    interval = Interval(seconds=1.0, sleep=lambda s: fakes[-1].sleep(s),
                        now=lambda: fakes[-1].now)
    said = find_clock(connect, BOARD, BOARD.config, interval, timeout_s=1e-3)
    assert f"it answers at {actual:,} baud, not 2,000,000: its clock is " in said
    assert abs(float(said.split("its clock is ")[1].split()[0]) - part * 50.25) < 0.05
    other = find_clock(connect, BOARD, BOARDS["ulx3s-85f"].config, interval, timeout_s=1e-3)
    assert f"its clock is about {part * 50:g} MHz, not 50" in other, "another configuration's"


def test_a_silent_board_has_no_other_rate():
    def connect(baud: int) -> FakeBoard:
        return FakeBoard(BOARD.config, baud=100, listens_at=baud)

    interval = Interval(seconds=1.0, sleep=lambda s: None, now=lambda: 0.0)
    assert find_clock(connect, BOARD, BOARD.config, interval, timeout_s=1e-4) == ""


@pytest.mark.parametrize("error", [LinkError("no such rate"), ValueError("no such rate")])
def test_a_rate_that_this_machine_has_not_is_passed_over(error):
    actual, fakes = round(1.05 * BOARD.baud), []

    def connect(baud: int) -> FakeBoard:
        if baud >= 2 * BOARD.baud:
            raise error
        fakes.append(FakeBoard(BOARD.config, baud=actual, listens_at=baud, clock_hz=52.5e6))
        return fakes[-1]

    interval = Interval(seconds=1.0, sleep=lambda s: fakes[-1].sleep(s),
                        now=lambda: fakes[-1].now)
    assert f"it answers at {actual:,} baud" in find_clock(
        connect, BOARD, BOARD.config, interval, timeout_s=1e-3)


@pytest.mark.parametrize(("name", "mhz", "said"), [
    ("ulx3s-25f", 25.01, "not 50: it is the oscillator's: the PLL, which makes 50 of it, is "
     "idle"),
    ("ulx3s-25f", 54, "not 50: is the board's oscillator one of 25 MHz, and does the PLL lock?; "
     "nothing is sure to be right at a faster clock"),
    ("icebreaker", 6, "not 12: is the board's oscillator one of 12 MHz?"),
])
def test_a_clock_that_is_off_is_explained(name, mhz, said):
    assert off(BOARDS[name], mhz) == said
