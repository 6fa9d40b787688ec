"""A START at any distance from the end of a run, however that ended, starts."""

import pytest

from hw.isa import ErrorCode, Opcode, encode
from hw.registers import COUNTERS
from tests.support.programs import MICROCODED, TINY, Machine, end

pytestmark = pytest.mark.builds

#: Cycles after a run, which has written its last words into its log in fewer; and a share of them.
DISTANCES = range(301)
SHARE = (*DISTANCES[:70], *DISTANCES[70::11])
LATENCY = 200
RUN = {"act_addr": 0, "run_words": 1, "runs": 1, "ext_stride": 0, "act_stride": 0}
GOOD = (encode(Opcode.LOAD, ext_addr=64, mask=0, mark=True, layer=1, **RUN)
        + encode(Opcode.STORE, ext_addr=128, mark=True, layer=2, **RUN) + end())
BAD = bytes(32)
#: How a run ends -> its program and its error.
ENDS = {"well": (GOOD, ErrorCode.NONE), "with an error": (BAD, ErrorCode.ILLEGAL_OPCODE),
        "by the watchdog": (GOOD, ErrorCode.WATCHDOG), "by the host": (GOOD, ErrorCode.STOPPED)}
AT = 0x1000


@pytest.fixture(scope="module", params=["pipelined", "microcoded"])
def machine(request):
    config = MICROCODED if request.param == "microcoded" else TINY
    with Machine(config, latency_cycles=LATENCY, page_miss_cycles=0, check=False) as made:
        for i in range(config.instances):
            made.place(i, GOOD, at=AT)
        yield made


def end_a_run(machine: Machine, how: str) -> None:
    """Start all instances, and return in the cycle after they have ended."""
    code, error = ENDS[how]
    everyone = (1 << machine.config.instances) - 1
    machine.backend.write_memory(AT, code)
    machine.write("WATCHDOG", 60 if error == ErrorCode.WATCHDOG else 0)
    machine.write("START", everyone)
    if error == ErrorCode.WATCHDOG:
        machine.backend.advance(190)  # the memory still owes what it was waiting for
        machine.write("WATCHDOG", 0)
    elif error == ErrorCode.STOPPED:
        machine.backend.advance(30)
        machine.write("STOP", everyone)
    assert machine.backend.advance(20_000) < 20_000


def test_what_the_ends_are(machine):
    for how, (_, error) in ENDS.items():
        end_a_run(machine, how)
        assert machine.read("RUNNING") == 0
        for i in range(machine.config.instances):
            assert machine.read("ERROR_CODE", i) == error
            assert machine.read("DONE") >> i & 1 == (error == ErrorCode.NONE)
            assert machine.read("ERROR") >> i & 1 == (error != ErrorCode.NONE)


def started(machine: Machine, how: str, distance: int) -> list[int]:
    """End a run, start a good one at a distance, and return all that it counts."""
    end_a_run(machine, how)
    machine.backend.write_memory(AT, GOOD)
    for _ in range(distance):
        machine.backend.advance(1)
    everyone, when = (1 << machine.config.instances) - 1, f"started {distance} cycles after {how}"
    machine.write("START", everyone)
    assert machine.backend.advance(20_000) < 20_000, when
    states = [machine.read(name) for name in ("RUNNING", "DONE", "ERROR")]
    assert states == [0, everyone, 0], when
    return [machine.read("CYCLES"), *(machine.read(name, i) for name in ("LOG_COUNT", *COUNTERS)
                                      for i in range(machine.config.instances))]


@pytest.mark.parametrize("how", ENDS)
def test_a_start_at_any_distance_starts(machine, how, distances=SHARE):
    """And the run takes the same cycles, for the same causes."""
    expected = started(machine, how, 600)
    for distance in distances:
        assert started(machine, how, distance) == expected


@pytest.mark.parametrize("how", ENDS)
def test_a_run_started_at_any_distance_can_be_stopped(machine, how, distances=SHARE):
    everyone = (1 << machine.config.instances) - 1
    for distance in distances:
        end_a_run(machine, how)
        for _ in range(distance):
            machine.backend.advance(1)
        machine.write("START", everyone)
        machine.write("STOP", everyone)
        assert machine.backend.advance(1000) < 1000, f"started {distance} cycles after {how}"
        assert machine.read("ERROR") == everyone
        assert machine.read("ERROR_CODE", 0) == ErrorCode.STOPPED


def test_a_run_can_be_stopped_in_each_of_its_cycles(machine):
    """What it counts is right then, and the next run finds nothing of it."""
    everyone = (1 << machine.config.instances) - 1
    expected = started(machine, "well", 600)
    machine.write("START", everyone)
    cycles = machine.backend.advance(20_000)
    for at in range(1, cycles):
        machine.write("START", everyone)
        machine.backend.advance(at)
        machine.write("STOP", everyone)
        assert machine.backend.advance(3 * LATENCY) < 3 * LATENCY, f"stopped after {at} cycles"
        assert machine.read("ERROR") ^ machine.read("DONE") == everyone
        for i in range(machine.config.instances):
            counted = [machine.read(name, i) for name in COUNTERS]
            assert sum(counted) == machine.read("TOTAL", i) < cycles + 3 * LATENCY, at
        machine.write("START", everyone)
        assert machine.backend.advance(20_000) < 20_000, f"after one stopped after {at} cycles"
        assert machine.read("DONE") == everyone
        assert machine.read("CYCLES") == expected[0]


@pytest.mark.slow
@pytest.mark.parametrize("how", ENDS)
def test_each_distance(machine, how):
    test_a_start_at_any_distance_starts(machine, how, DISTANCES)
    test_a_run_started_at_any_distance_can_be_stopped(machine, how, DISTANCES)
