"""Queues take as many cycles as they say."""

from hw.gateware.parts.fifo import Fifo, Relay
from hw.gateware.parts.queues import SharedQueues
from tests.support.latency import latency


def test_an_entry_can_be_read_as_long_after_it_was_written_as_the_fifo_says():
    dut = Fifo(8, 4)
    assert latency(dut, [(dut.w_en, 1)], dut.w_en, dut.r_rdy) == Fifo.LATENCY


def test_an_item_comes_as_long_after_it_was_taken_as_the_relay_says():
    dut = Relay(8)
    assert latency(dut, [(dut.i.valid, 1)], dut.i.valid & dut.i.ready,
                   dut.o.valid) == Relay.LATENCY


def test_a_word_is_its_units_as_long_after_it_entered_as_the_queues_say():
    dut = SharedQueues(8, [[0, 1], [2]], [[], []], 4)
    assert latency(dut, [(dut.target, 1)], dut.entered, dut.valid[0]) == SharedQueues.LATENCY
