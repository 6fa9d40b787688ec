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
READY = {"signal": [Token.LOADED]}
LOADED = {"wait": [Token.LOADED]}
STORABLE = {"signal": [Token.OUTPUT_READY]}
OUTPUT = {"wait": [Token.OUTPUT_READY]}


class Counts(NamedTuple):
    """Cycles by cause, in the order of `Cause`."""

    compute: int = 0
    weights: int = 0
    acts: int = 0
    port: int = 0
    barrier: int = 0
    drain: int = 0
    idle: int = 0


class Case(NamedTuple):
    """A program of instance 0, and what it must count; the same of instance 1, which ends at once
    where it is not told."""

    first: bytes
    counts: Counts
    second: bytes = b""
    others: Counts | None = None


CASES = {
    "nothing": Case(b"", Counts()),
    "a word is loaded": Case(load(1), Counts()),
    "words are loaded": Case(load(64), Counts()),
    "runs are loaded": Case(load(4, runs=16), Counts()),
    "words are stored": Case(store(64), Counts()),
    "a vector": Case(weights(TILE) + compute(1), Counts()),
    "vectors of a tile": Case(weights(TILE) + compute(40), Counts()),
    "tiles of a vector": Case(weights(TILE * 16) + compute(1, tiles=16), Counts()),
    "tiles of two vectors": Case(weights(TILE * 16) + compute(2, tiles=16), Counts()),
    "vectors wait for a load": Case(
        weights(TILE) + load(64, **READY) + compute(64, **LOADED), Counts()),
    "vectors beside a load": Case(
        weights(TILE) + compute(60) + load(64, act=64), Counts()),
    "a block is drained": Case(
        weights(PARAMS + TILE) + compute(16, last=1) + post(16), Counts()),
    "compute waits for banks": Case(
        weights(6 * (PARAMS + TILE)) + compute(16, blocks=6, last=1) + post(16, blocks=6),
        Counts()),
    "a block is drained and stored": Case(
        weights(PARAMS + TILE) + compute(16, last=1) + post(16, **STORABLE)
        + store(16, act=512, **OUTPUT), Counts()),
    "alone at a barrier": Case(barrier(0b01), Counts()),
    "one waits for the other": Case(barrier(0b11), Counts(), load(64) + barrier(0b11)),
    "vectors at a barrier": Case(
        weights(TILE) + compute(60) + barrier(0b11), Counts(), load(64) * 2 + barrier(0b11)),
    "one ends before the other": Case(load(1), Counts(), load(64)),
    "one stops before the other": Case(load(8, act=1020), Counts(), load(64)),
    "one is no program": Case(bytes(32), Counts(), load(64)),
    "weights wait for the port": Case(
        weights(TILE * 64) + compute(1, tiles=64), Counts(), load(64) * 4),
    "both load the same": Case(load(64, mask=0b11), Counts(), load(16) + load(64, mask=0b11)),
}


def count(case: Case) -> tuple[Counts, Counts]:
    """Run a case; what its instances count, by their registers. Each cycle counts once, and for
    what the units show."""
    config = TINY
    with Machine(config, latency_cycles=LATENCY, page_miss_cycles=0) as m:
        m.place(0, case.first + end(), at=0)
        m.place(1, case.second + end(), at=0x1000)
        m.start(0b11)
        found = [Counts(*(m.read(name, i) for name in COUNTERS)) for i in range(2)]
        for i, counts in enumerate(found):
            assert m.read("TOTAL", i) == m.read("CYCLES") == sum(counts)
            assert m.backend.causes(i) == dict(zip(COUNTERS, counts, strict=True))
        return found[0], found[1]


@pytest.mark.parametrize("name", CASES)
def test_each_cycle_counts_for_its_cause(name):
    case = CASES[name]
    first, second = count(case)
    assert (first, second) == (case.counts, case.others or second)
