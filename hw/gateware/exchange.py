"""What an instance and the external memory have to do with each other."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import PureInterface

from hw.config import Config
from hw.gateware.parts.select import select
from hw.gateware.signatures.ports import READERS
from hw.isa import READ_AHEAD_BYTES

from .blocks import Blocks

__all__ = ["MemoryAnswers", "Outstanding", "count_outstanding", "take_answers"]


@dataclass(frozen=True)
class MemoryAnswers:
    """What the memory answered a cycle ago: an instance lies far from the port.

    Members: `returned`, a beat, to one of `returned_to` [readers], `data`, `spoilt` with an error;
    `acknowledged`, a write burst, `refused` with an error.
    """

    returned: Signal
    returned_to: Signal
    data: Signal
    spoilt: Signal
    acknowledged: Signal
    refused: Signal


def take_answers(m: Module, memory: PureInterface, config: Config) -> MemoryAnswers:
    """Put what comes from the memory into registers."""
    returned, returned_to = Signal(), Signal(len(READERS))
    returned_data = Signal(config.beat_bits, reset_less=True)
    spoilt, acknowledged, refused = Signal(), Signal(), Signal()
    m.d.sync += [
        returned.eq(memory.ret_valid), acknowledged.eq(memory.wr_ret_valid),
        returned_to.eq(Cat(memory.ret_valid & (memory.ret_channel == c) for c in READERS)),
        spoilt.eq(memory.ret_valid & memory.ret_error),
        refused.eq(memory.wr_ret_valid & memory.wr_ret_error),
    ]
    with m.If(memory.ret_valid):
        m.d.sync += returned_data.eq(memory.ret_data)
    return MemoryAnswers(returned, returned_to, returned_data, spoilt, acknowledged, refused)


@dataclass(frozen=True)
class Outstanding:
    """What an instance waits for from outside.

    Members: `any`, the memory owes an answer; `asking`, a read waits for the port, one that has
    not got it is a `wait`; `events`, what the memory did a cycle ago.
    """

    any: Signal
    asking: Signal
    wait: Value
    events: Value


def count_outstanding(m: Module, blocks: Blocks, memory: PureInterface, answers: MemoryAnswers,
                      config: Config) -> Outstanding:
    """Count what the memory owes."""
    returned, acknowledged = answers.returned, answers.acknowledged
    gates, writes = blocks.gates, blocks.writes
    requests = [getattr(memory, f"rd_{c.name.lower()}") for c in READERS]
    asking = Signal()  # a read waits for the port
    m.d.comb += asking.eq(Cat(r.valid for r in requests).any())
    # Readers have room for all that they ask for.
    read_beats = Signal(range(config.buffers.weight_fifo_beats + config.load_fifo_beats
                              + READ_AHEAD_BYTES // config.port.bytes + 1))
    write_bursts = Signal(8)
    outstanding = Signal()
    granted = Signal(range(config.port.burst_beats + 1))  # one reader's burst at a time
    written = Signal()
    m.d.sync += [
        granted.eq(select(m, Cat(g.o.ready for g in gates.values()),
                          [g.beats for g in gates.values()], granted)),
        written.eq(memory.wr.ready),
        read_beats.eq(read_beats + granted - returned),
        write_bursts.eq(write_bursts + written - acknowledged),
    ]
    m.d.comb += outstanding.eq(read_beats.any() | write_bursts.any() | writes.owed
                               | granted.any() | written | returned)
    return Outstanding(outstanding, asking, Cat(r.valid & ~r.ready for r in requests).any(),
                       Cat(returned, acknowledged, granted, written).any())
