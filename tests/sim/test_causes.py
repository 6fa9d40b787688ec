"""What each cycle went to: micro-programs with exact counts, by cause, of both instances.

The memory has no pages to open and answers `LATENCY` cycles after a request. Counts of `CASES` are
the hardware's, and change with its pipelines and with nothing else. What is added by more work, or
by a slower memory, follows from documented rates and latencies: `MORE` and `WAITS` have it by
reason, not by a run. There the memory is `FAR`: nothing of a program comes beside what it waits
for, and reads do not meet.
"""

from typing import Any, NamedTuple

import pytest

from hw.gateware.shell.fabric import Fabric
from hw.isa import Token
from hw.registers import COUNTERS
from tests.support.micro import barrier, compute, load, post, store, weights
from tests.support.programs import TINY, Machine, end

pytestmark = pytest.mark.builds

LATENCY, FAR = 20, 200
#: Cycles that a read is asked for before it is taken, and words of 4 bytes that it reads.
ASKED = Fabric(TINY, [0, 1]).READ_LATENCY
BURST_WORDS = TINY.port.burst_beats * TINY.port.bytes // TINY.array.rows
#: Chunks of a tile, and of an output block's parameters.
TILE, PARAMS = TINY.tile_chunks, TINY.param_chunks
#: That a load gives to compute, and post-processing to a store.
LOADED, OUTPUT = [Token.LOADED], [Token.OUTPUT_READY]

#: Tiles; and a block that is computed, drained and stored.
TILED = weights(TILE * 16)
STORED = weights(PARAMS + TILE) + compute(16, last=1) + post(16, signal=OUTPUT) \
    + store(16, act=512, wait=OUTPUT)


class Case(NamedTuple):
    """Programs of two instances, without their END, and what each must count: cycles of COMPUTE,
    WEIGHTS, ACTS, PORT, BARRIER, DRAIN, IDLE."""

    first: bytes
    counts: tuple[int, ...]
    others: tuple[int, ...]
    second: bytes = b""


#: Fetching a program takes both some 150 cycles, also if it ends at once: what was asked for ahead
#: has to come. One instance asks while the other has the port.
CASES = {
    "nothing": Case(b"", (0, 0, 108, 28, 0, 0, 16), (0, 0, 118, 34, 0, 0, 0)),
    "a word is loaded": Case(load(1), (0, 0, 135, 38, 0, 0, 0), (0, 0, 126, 34, 0, 0, 13)),
    "words are loaded": Case(load(64), (0, 0, 186, 50, 0, 0, 0), (0, 0, 126, 34, 0, 0, 76)),
    "runs are loaded": Case(
        load(4, runs=16), (0, 0, 138, 98, 0, 0, 0), (0, 0, 126, 34, 0, 0, 76)),
    "words are stored": Case(store(64), (0, 0, 70, 32, 0, 98, 0), (0, 0, 158, 34, 0, 0, 8)),
    "a vector": Case(
        weights(TILE) + compute(1), (1, 104, 27, 38, 0, 0, 0), (0, 0, 126, 34, 0, 0, 10)),
    "vectors of a tile": Case(
        weights(TILE) + compute(40), (40, 104, 27, 38, 0, 0, 0), (0, 0, 126, 34, 0, 0, 49)),
    "tiles of a vector": Case(  # each waits a cycle for the second chunk of its tile
        weights(TILE * 16) + compute(1, tiles=16),
        (16, 123, 20, 49, 0, 0, 0), (0, 0, 126, 34, 0, 0, 48)),
    "tiles of two vectors": Case(  # which hide it
        weights(TILE * 16) + compute(2, tiles=16),
        (32, 108, 20, 49, 0, 0, 0), (0, 0, 126, 34, 0, 0, 49)),
    "vectors wait for a load": Case(
        weights(TILE) + load(64, signal=LOADED) + compute(64, wait=LOADED),
        (64, 0, 199, 55, 0, 0, 0), (0, 0, 126, 34, 0, 0, 158)),
    "vectors beside a load": Case(
        weights(TILE) + compute(60) + load(64, act=64),
        (60, 86, 44, 56, 0, 0, 0), (0, 0, 126, 34, 0, 0, 86)),
    "a block is drained": Case(
        weights(PARAMS + TILE) + compute(16, last=1) + post(16),
        (16, 104, 27, 42, 0, 29, 0), (0, 0, 126, 34, 0, 0, 58)),
    "compute waits for banks": Case(
        weights(6 * (PARAMS + TILE)) + compute(16, blocks=6, last=1) + post(16, blocks=6),
        (96, 103, 30, 52, 0, 61, 0), (0, 0, 126, 34, 0, 0, 182)),
    "a block is drained and stored": Case(
        STORED, (16, 104, 29, 42, 0, 79, 0), (0, 0, 126, 34, 0, 0, 110)),
    "alone at a barrier": Case(
        barrier(0b01), (0, 0, 131, 34, 3, 0, 0), (0, 0, 126, 34, 0, 0, 8)),
    "one waits for the other": Case(
        barrier(0b11), (0, 0, 15, 32, 201, 0, 0), (0, 0, 193, 52, 3, 0, 0),
        load(64) + barrier(0b11)),
    "vectors at a barrier": Case(
        weights(TILE) + compute(60) + barrier(0b11),
        (60, 99, 24, 43, 90, 0, 0), (0, 0, 243, 70, 3, 0, 0), load(64) * 2 + barrier(0b11)),
    "one ends before the other": Case(
        load(1), (0, 0, 135, 38, 0, 0, 72), (0, 0, 193, 52, 0, 0, 0), load(64)),
    "one stops before the other": Case(  # beyond the activation memory
        load(8, act=TINY.buffers.act_words - 4),
        (0, 0, 137, 38, 0, 0, 73), (0, 0, 196, 52, 0, 0, 0), load(64)),
    "one is no program": Case(
        bytes(32), (0, 0, 11, 29, 0, 0, 188), (0, 0, 176, 52, 0, 0, 0), load(64)),
    "weights wait for the port": Case(
        weights(TILE * 64) + compute(1, tiles=64),
        (64, 271, 20, 93, 0, 0, 18), (0, 0, 363, 103, 0, 0, 0), load(64) * 4),
    "both load the same": Case(
        load(64, mask=0b11), (0, 0, 188, 64, 0, 0, 10), (0, 0, 206, 56, 0, 0, 0),
        load(16) + load(64, mask=0b11)),
}


def run(machine: Machine, mask: int) -> list[tuple[int, ...]]:
    """Run what is placed; what instances count, by their registers. Each cycle counts once, and
    for what the units show."""
    machine.start(mask)
    found = [tuple(machine.read(name, i) for name in COUNTERS) for i in range(2)]
    for i, counts in enumerate(found):
        assert machine.read("TOTAL", i) == machine.read("CYCLES") == sum(counts)
        assert machine.backend.causes(i) == dict(zip(COUNTERS, counts, strict=True))
    return found


def machine(latency: int = LATENCY) -> Machine:
    return Machine(TINY, latency_cycles=latency, page_miss_cycles=0)


def spent(programs: list[bytes], latency: int = FAR) -> list[dict[str, int]]:
    """What instances count for programs without their END, one or two, by cause."""
    with machine(latency) as m:
        for i, program in enumerate(programs):
            m.place(i, program + end(), at=0x1000 * i)
        found = run(m, (1 << len(programs)) - 1)
    return [dict(zip(COUNTERS, counts, strict=True)) for counts in found[:len(programs)]]


def added(less: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """By which causes differ that differ."""
    return {name: more[name] - less[name] for name in COUNTERS if more[name] != less[name]}


@pytest.mark.parametrize("name", CASES)
def test_each_cycle_counts_for_its_cause(name):
    case = CASES[name]
    with machine() as m:
        m.place(0, case.first + end(), at=0)
        m.place(1, case.second + end(), at=0x1000)
        assert run(m, 0b11) == [case.counts, case.others]


def test_who_is_not_started_counts_the_run_of_the_others():
    """Not also what it counted before."""
    with machine() as m:
        m.place(0, load(64) + end(), at=0)
        m.place(1, load(64) + end(), at=0x1000)
        run(m, 0b11)
        for _ in range(2):
            one, other = run(m, 0b01)
            assert one[-1] == 0 and other == (0, 0, 0, 0, 0, 0, sum(one))


#: What is more -> a program, one with more, and what that adds to its causes.
MORE: dict[str, Any] = {
    "a vector takes a cycle": (
        weights(TILE) + compute(1), weights(TILE) + compute(40), {"COMPUTE": 39}),
    "and also where all wait for a load": (
        weights(TILE) + load(64, signal=LOADED) + compute(1, wait=LOADED),
        weights(TILE) + load(64, signal=LOADED) + compute(64, wait=LOADED), {"COMPUTE": 63}),
    "a word takes a cycle": (load(1), load(3), {"ACTS": 2}),
    "a burst is asked for meanwhile": (
        load(BURST_WORDS), load(BURST_WORDS + 1), {"PORT": ASKED, "ACTS": 1 - ASKED}),
    "and each of several is": (
        load(2 * BURST_WORDS), load(4 * BURST_WORDS),
        {"PORT": 2 * ASKED, "ACTS": 2 * BURST_WORDS - 2 * ASKED}),
    "runs of whole bursts are as one": (load(4 * BURST_WORDS), load(BURST_WORDS, runs=4), {}),
    "a word that is stored takes a cycle": (store(32), store(64), {"DRAIN": 32}),
    "a pixel that is drained takes one more": (
        weights(PARAMS + TILE) + compute(1, last=1) + post(1),
        weights(PARAMS + TILE) + compute(16, last=1) + post(16), {"COMPUTE": 15, "DRAIN": 15}),
    "a tile comes while as many vectors pass as it has chunks": (
        TILED + compute(1, tiles=16), TILED + compute(TILE, tiles=16),
        {"COMPUTE": 16 * (TILE - 1), "WEIGHTS": -15 * (TILE - 1)}),
}


@pytest.mark.parametrize("what", MORE)
def test_more_work_adds_what_it_takes(what):
    *programs, expected = MORE[what]
    assert added(*(spent([program])[0] for program in programs)) == expected


#: What waits -> programs of one instance or both, and how often each waits for the memory, by the
#: cause; for the program first of all. Where a load is waited for, a block of the program is as
#: well, which is asked for as the first has been taken.
WAITS: dict[str, Any] = {
    "a program": ([b""], [{"ACTS": 1}]),
    "a load": ([load(64)], [{"ACTS": 2}]),
    "loads one after the other, which are asked for at once": (
        [load(64) + load(8, act=64)], [{"ACTS": 2}]),
    "weights": ([weights(TILE) + compute(1)], [{"ACTS": 1, "WEIGHTS": 1}]),
    "a store": ([store(64)], [{"ACTS": 1, "DRAIN": 1}]),
    "a block that is computed and stored": ([STORED], [{"ACTS": 1, "WEIGHTS": 1, "DRAIN": 1}]),
    "weights that come during a load": (
        [weights(TILE) + load(64, signal=LOADED) + compute(64, wait=LOADED)], [{"ACTS": 2}]),
    "a store beside a load": ([load(64) + store(64)], [{"ACTS": 2}]),
    "a load for both": ([load(64, mask=0b11)] * 2, [{"ACTS": 2}] * 2),
    "who stops as its load comes, beside one that loads": (
        [load(8, act=1020), load(64)], [{"ACTS": 2}] * 2),
    "who meets one that loads": (
        [barrier(0b11), load(64) + barrier(0b11)], [{"ACTS": 1, "BARRIER": 1}, {"ACTS": 2}]),
    "who has ended before one that stores": (
        [b"", STORED], [{"ACTS": 1, "IDLE": 2}, {"ACTS": 1, "WEIGHTS": 1, "DRAIN": 1}]),
    "who has no program beside one that loads": (
        [bytes(32), load(64)], [{"ACTS": 1, "IDLE": 1}, {"ACTS": 2}]),
}


@pytest.mark.parametrize("what", WAITS)
def test_a_slower_memory_is_waited_for_by_who_waits(what):
    programs, expected = WAITS[what]
    near, far = (spent(programs, latency) for latency in (FAR, 2 * FAR))
    assert [added(*each) for each in zip(near, far, strict=True)] == [
        {cause: times * FAR for cause, times in each.items()} for each in expected]
