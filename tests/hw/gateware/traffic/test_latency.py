"""Blocks that move data take as many cycles as they say."""

from hw.config import PRESETS
from hw.gateware.traffic.actmem import ActMemory
from hw.gateware.traffic.bursts import BurstSplitter
from hw.gateware.traffic.gates import ReadGate, WriteGate
from hw.gateware.traffic.loader import Loader
from hw.gateware.traffic.storer import Storer
from hw.gateware.traffic.weights import WeightFetch
from tests.support.latency import latency

TINY = PRESETS["tiny"]
RUN = {"run_words": 1, "runs": 1}


def test_reads_are_answered_as_long_after_as_the_activation_memory_says():
    for client, cycles in (("compute", ActMemory.LATENCY), ("store", ActMemory.STORE_LATENCY)):
        dut = ActMemory(TINY)
        port = getattr(dut, client)
        write = [(dut.load.valid, 1), (dut.load.data, 7), (dut.load.lanes, -1)]
        assert latency(dut, [(dut.load.valid, 0), (port.valid, 1)], port.valid & port.ready,
                       port.data, before=write) == cycles


def test_a_runs_first_burst_comes_as_long_after_it_as_the_splitter_says():
    depth = 4 * TINY.port.burst_beats
    dut = BurstSplitter(TINY, 8, depth)
    assert latency(dut, [(dut.i.valid, 1), (dut.i.payload.beats, 1)], dut.i.valid & dut.i.ready,
                   dut.o.valid, before=[(dut.space, depth)]) == BurstSplitter.LATENCY


def test_bursts_and_beats_pass_the_gates_as_long_after_as_these_say():
    for kind in ReadGate, WriteGate:
        dut = kind(TINY)
        assert latency(dut, [(dut.i.valid, 1), (dut.i.payload.beats, 1), (dut.window_bytes, 64)],
                       dut.i.valid & dut.i.ready, dut.o.valid) == kind.LATENCY
    dut = WriteGate(TINY)
    assert latency(dut, [(dut.i_data.valid, 1)], dut.i_data.valid & dut.i_data.ready,
                   dut.o_data.valid,
                   before=[(dut.i.valid, 1), (dut.i.payload.beats, 1), (dut.window_bytes, 64),
                           (dut.o.ready, 1)]) == WriteGate.LATENCY


def test_a_word_is_written_as_long_after_its_beat_as_the_loader_says():
    dut = Loader(TINY)
    assert latency(dut, [(dut.ret.valid, 1)], dut.ret.valid, dut.acts.valid,
                   before=[(dut.i.valid, 1), (dut.i.payload, RUN)]) == Loader.LATENCY


def test_a_chunk_comes_as_long_after_its_beat_as_the_weight_fetch_says():
    dut = WeightFetch(TINY)
    assert latency(dut, [(dut.ret.valid, 1)], dut.ret.valid, dut.chunks.valid,
                   before=[(dut.i.valid, 1), (dut.i.payload.chunks, 4), (dut.req.ready, 1)],
                   ) == WeightFetch.LATENCY


def test_a_beat_comes_as_long_after_its_words_read_as_the_storer_says():
    dut = Storer(TINY)
    assert latency(dut, [(dut.i.valid, 1), (dut.i.payload, RUN), (dut.acts.ready, 1)],
                   dut.acts.valid & dut.acts.ready, dut.data.valid) == Storer.LATENCY
