"""Blocks of the datapath take as many cycles as they say."""

import pytest

from hw.config import PRESETS
from hw.gateware.compute.accumulator import Accumulator
from hw.gateware.compute.array import EARLY, MacArray
from hw.gateware.compute.feeder import Feeder
from hw.gateware.compute.live import LiveInputs
from hw.gateware.compute.post import Post
from hw.gateware.compute.tiles import TileLoader
from tests.support.blocks import POINT, WINDOW
from tests.support.latency import latency

TINY = PRESETS["tiny"]


@pytest.mark.parametrize("rows", [4, 8, 16])
def test_sums_come_as_long_after_a_vector_as_the_array_says(rows):
    ones = int.from_bytes(bytes([1] * rows))
    for effect, cycles_before in ((lambda o: o.sums[0] == rows, 0), (lambda o: o.tag.valid, 0),
                                  (lambda o: o.early.valid, EARLY)):
        dut = MacArray(TINY.replace(array__rows=rows))
        assert latency(dut, [(dut.i.valid, 1), (dut.i.payload.swap, 1), (dut.i.payload.acts, ones),
                             (dut.tile.valid, 1), *((weight, 1) for weight in dut.tile.weights)],
                       dut.fire, effect(dut.o)) == dut.LATENCY - cycles_before


def test_a_bank_is_full_and_read_as_long_after_as_the_accumulator_says():
    dut = Accumulator(TINY)
    tag = [(dut.i.tag.valid, 1), (dut.i.tag.first, 1)]
    assert latency(dut, [*tag, (dut.i.tag.close, 1)], dut.i.tag.valid, dut.full) == dut.LATENCY
    dut = Accumulator(TINY)
    write = [(port.valid, 1) for port in (dut.i.early, dut.i.tag)] + [
        (port.first, 1) for port in (dut.i.early, dut.i.tag)] + [(dut.i.sums[0], 7)]
    assert latency(dut, [(dut.i.early.valid, 0), (dut.i.tag.valid, 0), (dut.read.valid, 1)],
                   dut.read.valid, dut.read.data[0], before=write) == Accumulator.READ_LATENCY


def test_vectors_come_as_long_after_an_instruction_and_a_read_as_the_feeder_says():
    for cause, cycles in ((lambda dut: dut.i.valid & dut.i.ready, Feeder.FIRST),
                          (lambda dut: dut.acts.valid & dut.acts.ready, Feeder.LATENCY)):
        dut = Feeder(TINY)
        assert latency(dut, [(dut.i.valid, 1), (dut.i.payload, POINT), (dut.acts.ready, 1)],
                       cause(dut), dut.o.valid) == cycles


def test_a_groups_tile_is_there_as_long_after_its_last_beat_as_live_inputs_say():
    dut = LiveInputs(TINY.replace(array__zero_skip=True))
    word = [(dut.i.valid, 1), (dut.i.payload, {"acts": 1, "live_blocks": 1, "close": 1})]
    assert latency(dut, [*word, (dut.needs.ready, 1), (dut.rows.valid, 1), (dut.release.ready, 1)],
                   dut.rows.valid & dut.rows.ready, dut.tile_o.valid) == LiveInputs.LATENCY


def test_a_tile_is_there_as_long_after_its_last_chunk_as_the_tile_loader_says():
    config = TINY.replace(port__bytes=16)
    assert config.tile_chunks == 1
    dut = TileLoader(config)
    assert latency(dut, [(dut.i.valid, 1), (dut.i.payload, {"tiles": 1, "out_blocks": 1}),
                         (dut.chunks.valid, 1)],
                   dut.chunks.valid & dut.chunks.ready, dut.o.valid) == TileLoader.LATENCY


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_a_word_is_written_as_long_after_its_windows_last_read_as_post_processing_says(lanes):
    config = TINY.replace(array__post_lanes=lanes)
    dut = Post(config)
    assert latency(dut, [(dut.i.valid, 1), (dut.i.payload, WINDOW), (dut.full, 1)],
                   dut.acc.valid, dut.acts.valid) == dut.LATENCY
