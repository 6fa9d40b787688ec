"""Who hangs is stopped; who waits for others that move is not."""

import numpy as np
import pytest

from hw.isa import ErrorCode, Opcode, Token, encode
from sim.verilated.memory import Disturbance
from tests.support.accelerators import CONFIGS
from tests.support.programs import MICROCODED, Machine, end

from .test_errors import load, store

pytestmark = pytest.mark.builds

MEETING = encode(Opcode.BARRIER, layer=5, mask=0b11)
SHARING = load(mask=0b11)


@pytest.fixture(scope="module")
def machine():
    with Machine() as made:
        yield made


@pytest.mark.parametrize("waits", [MEETING, SHARING], ids=["at a barrier", "for a multicast"])
def test_who_waits_for_one_that_moves_does_not_hang(machine, waits):
    """Instance 1 is busy with loads for longer than the watchdog waits."""
    machine.place(0, waits + end(), at=0x1000)
    machine.place(1, load(run_words=500, runs=8) + waits + end(), at=0x2000)
    machine.write("WATCHDOG", 300)
    machine.start(0b11)
    machine.write("WATCHDOG", 0)
    assert (machine.read("ERROR"), machine.read("DONE")) == (0, 0b11)
    assert machine.read("CYCLES") > 3000


CIRCLE = {0: (load(layer=2) + MEETING, Opcode.BARRIER), 1: (store(layer=2) + SHARING, Opcode.LOAD)}


def start_circle(machine: Machine, cycles: int) -> None:
    """Two instances wait for each other, each at something else."""
    for i, (code, _) in CIRCLE.items():
        machine.place(i, code + end(), at=0x1000 * (i + 1))
    machine.write("WATCHDOG", cycles)
    machine.write("START", 0b11)


def circle_ends(machine: Machine, cycles: int) -> None:
    """By the watchdog, which counts so many cycles."""
    assert machine.backend.advance(2 * cycles + 100) < 2 * cycles + 100
    machine.write("WATCHDOG", 0)
    assert (machine.read("RUNNING"), machine.read("ERROR")) == (0, 0b11)
    for i, (_, opcode) in CIRCLE.items():
        assert ErrorCode(machine.read("ERROR_CODE", i)) == ErrorCode.WATCHDOG
        assert machine.read("ERROR_OPCODE", i) == opcode.value
        assert machine.read("ERROR_LAYER", i) == 5


def test_those_that_wait_for_each_other_hang(machine):
    start_circle(machine, 300)
    circle_ends(machine, 300)


def test_who_halts_for_ever_moves_no_more(machine):
    """The memory owes both an acknowledgement; one is stopped meanwhile, and the other hangs."""
    for i in range(2):
        machine.place(i, store(ext_addr=0x4000) + end(), at=0x1000 * (i + 1))
    machine.backend.disturb(Disturbance(stalled_ack=1, stall_cycles=20_000))
    machine.write("WATCHDOG", 500)
    machine.write("START", 0b11)
    machine.backend.advance(300)
    machine.write("STOP", 0b01)
    machine.backend.advance(25_000)
    machine.write("WATCHDOG", 0)
    machine.backend.disturb(Disturbance())
    assert (machine.read("RUNNING"), machine.read("ERROR")) == (0, 0b11)
    assert ErrorCode(machine.read("ERROR_CODE", 0)) == ErrorCode.STOPPED
    assert ErrorCode(machine.read("ERROR_CODE", 1)) == ErrorCode.WATCHDOG


def test_a_multicast_waits_until_its_members_are_done_with_others(machine):
    """Instance 1 has one of its own before that which both take part in."""
    data = np.random.default_rng(3).integers(0, 256, 0x1000, dtype=np.uint8)
    machine.backend.write_memory(0, data)
    both = load(mask=0b11, ext_addr=0x400, act_addr=16)
    machine.place(0, both + end(), at=0x1000)
    machine.place(1, load(mask=0b10, ext_addr=0x800) + both + end(), at=0x2000)
    machine.start(0b11)
    assert machine.read("DONE") == 0b11
    machine.place(0, store(act_addr=16, ext_addr=0x4000) + end(), at=0x1000)
    machine.place(1, store(ext_addr=0x5000) + store(act_addr=16, ext_addr=0x6000) + end(),
                  at=0x2000)
    machine.start(0b11)
    for stored, start in ((0x4000, 0x400), (0x5000, 0x800), (0x6000, 0x400)):
        assert np.array_equal(machine.backend.read_memory(stored, 16), data[start:start + 16])


def test_multicasts_whose_members_never_meet_hang():
    """Each of three waits for another."""
    with Machine(CONFIGS["4x6x9"]) as machine:
        for i, mask in enumerate((0b011, 0b110, 0b101)):
            machine.place(i, load(mask=mask) + end(), at=0x1000 * (i + 1))
        machine.write("WATCHDOG", 300)
        machine.start(0b111)
        assert machine.read("ERROR") == 0b111
        for i in range(3):
            assert ErrorCode(machine.read("ERROR_CODE", i)) == ErrorCode.WATCHDOG
            assert Opcode(machine.read("ERROR_OPCODE", i)) is Opcode.LOAD
            assert machine.read("ERROR_LAYER", i) == 5


def test_a_watchdog_written_in_a_run_counts_from_then(machine):
    for before in (0, 1_000_000):
        start_circle(machine, before)
        assert machine.backend.advance(3000) == 3000
        machine.write("WATCHDOG", 200)
        circle_ends(machine, 200)
    start_circle(machine, 400)
    for _ in range(20):
        assert machine.backend.advance(300) == 300
        machine.write("WATCHDOG", 400)  # puts it off
    circle_ends(machine, 400)


def test_a_memory_that_is_slow_to_take_requests_trips_the_microcoded_cores_watchdog():
    """Whatever it was about to ask for or waits for, nothing of it is left for the next run."""
    code = load(run_words=60, signal=[Token.LOADED]) + store(run_words=60, ext_addr=0x4000) + end()
    data = np.random.default_rng(2).integers(0, 256, 240, dtype=np.uint8)
    with Machine(MICROCODED, stall_probability=0.9) as machine:
        machine.place(0, code, at=0x1000)
        for k in range(60):
            data = np.roll(data, k)
            machine.backend.write_memory(0, data)
            for watchdog, error in ((12, ErrorCode.WATCHDOG), (0, ErrorCode.NONE)):
                machine.write("WATCHDOG", watchdog)
                machine.start(1, cycles=60_000)
                assert machine.read("ERROR_CODE", 0) == error
                assert machine.read("DONE") == (error == ErrorCode.NONE)
            assert np.array_equal(machine.backend.read_memory(0x4000, 240), data)
