"""What each cycle went to: micro-programs with exact counts, by cause, of both instances.

The memory has no pages to open and answers `LATENCY` cycles after a request. Counts change with
the hardware's pipelines and with nothing else.
"""

from typing import NamedTuple

import pytest

from hw.isa import Token
from hw.registers import COUNTERS
from tests.support.micro import barrier, compute, load, post, store, weights
from tests.support.programs import TINY, Machine, end

pytestmark = pytest.mark.builds

LATENCY = 20
#: Chunks of a tile, and of an output block's parameters.
TILE, PARAMS = TINY.tile_chunks, TINY.param_chunks
#: That a load gives to compute, and post-processing to a store.
LOADED, OUTPUT = [Token.LOADED], [Token.OUTPUT_READY]


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
        weights(PARAMS + TILE) + compute(16, last=1) + post(16, signal=OUTPUT)
        + store(16, act=512, wait=OUTPUT), (16, 104, 29, 42, 0, 79, 0), (0, 0, 126, 34, 0, 0, 110)),
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
        load(8, act=1020), (0, 0, 137, 38, 0, 0, 73), (0, 0, 196, 52, 0, 0, 0), load(64)),
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


def machine() -> Machine:
    return Machine(TINY, latency_cycles=LATENCY, page_miss_cycles=0)


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
