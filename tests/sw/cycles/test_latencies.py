"""What the cycle model knows of the hardware is what the hardware says of itself."""

import pytest

from hw.config import PRESETS
from hw.gateware.compute.accumulator import Accumulator
from hw.gateware.compute.array import array_latency
from hw.gateware.compute.feeder import FIFO_DEPTH, Feeder
from hw.gateware.compute.post import Post
from hw.gateware.shell import fabric
from hw.gateware.traffic import storer as store_unit
from hw.gateware.traffic.gates import WriteGate
from hw.gateware.traffic.loader import AHEAD
from hw.gateware.traffic.weights import SEGMENTS
from sw.cycles import array, fetcher, instance, storer, work
from sw.cycles.memory import SIMULATED
from tests.support.blocks import POINT, WINDOW
from tests.support.latency import latency

PIPELINED = [name for name, config in PRESETS.items() if config.core == "pipelined"]
TINY = PRESETS["tiny"]


def test_queues_are_as_deep_as_in_the_hardware():
    assert array._FEEDER_VECTORS == FIFO_DEPTH
    assert instance._LOADS_AHEAD == AHEAD
    assert fetcher._AHEAD == SEGMENTS
    assert SIMULATED.outstanding == fabric._OUTSTANDING
    assert storer._READ_AHEAD == store_unit.READ_AHEAD
    assert storer._REQUESTS == store_unit._REQUESTS + 1


@pytest.mark.parametrize("name", PIPELINED)
@pytest.mark.parametrize("rows,more", [(None, 0), (2, 0), (4, 0), (8, 0), (16, 1), (32, 1)])
def test_a_bank_is_full_as_late_as_in_the_hardware(name, rows, more):
    config = PRESETS[name]
    if rows is not None:
        config = config.replace(array__rows=rows, array__post_lanes=0)
    assert array_latency(config) + Accumulator.LATENCY == array._FULL + more


def test_vectors_come_as_late_as_in_the_hardware():
    assert array._FEED == Feeder.FIRST


@pytest.mark.parametrize("lanes,more", [(4, 0), (2, 1), (1, 1)])
def test_a_bank_is_free_as_late_as_in_the_hardware(lanes, more):
    config = TINY.replace(array__post_lanes=lanes)
    post, feeder = Post(config), Feeder(config)
    full_to_read = latency(post, [(post.full, 1)], post.full.any(), post.acc.valid,
                           before=[(post.i.valid, 1), (post.i.payload, WINDOW)])
    drained_to_vector = latency(
        feeder, [(feeder.drained, 1)], feeder.drained.any(), feeder.o.valid,
        before=[(feeder.i.valid, 1), (feeder.i.payload, POINT | {"out_blocks": 3}),
                (feeder.acts.ready, 1), (feeder.o.ready, 1)])
    word = full_to_read - 1 + post.LATENCY  # a block's cycles begin when its bank is full
    assert word == array._WORD + more
    assert word + drained_to_vector == array._VECTOR + more


def test_a_word_is_written_as_late_as_in_the_hardware():
    assert (store_unit.Storer.LATENCY + WriteGate.LATENCY + fabric.Fabric.WRITE_LATENCY
            + instance._SENT) == work._WRITE
