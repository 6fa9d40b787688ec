"""What the cycle model knows of the hardware is what the hardware says of itself."""

from hw.config import PRESETS
from hw.gateware.compute.accumulator import Accumulator
from hw.gateware.compute.array import array_latency
from hw.gateware.compute.feeder import FIFO_DEPTH, Feeder
from hw.gateware.traffic.loader import AHEAD
from hw.gateware.traffic.weights import SEGMENTS
from sw.cycles import array, instance


def test_queues_are_as_deep_as_in_the_hardware():
    assert array._FEEDER_VECTORS == FIFO_DEPTH
    assert instance._LOADS_AHEAD == AHEAD
    assert instance._WEIGHTS_AHEAD == SEGMENTS


def test_latencies_are_the_blocks():
    assert array._FEED == Feeder.FIRST
    assert array_latency(PRESETS["default"]) + Accumulator.LATENCY == array._FULL
