"""Bursts that come over AXI4, one after the other: reads and writes in turn."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, fifo
from amaranth.lib.wiring import PureInterface

from hw.config import Config

__all__ = ["Bursts", "queue_bursts", "take_next"]


@dataclass(frozen=True)
class Bursts:
    """The burst that is served, and those that wait.

    Members
    -------
    reads, writes : requests that wait; `take_write`, 1 if a write is next
    beats : data to be written, with its strobes
    active, writing : 1, one is served; it is a write
    addr, left : of its next beat; beats after that one
    beat_done : 1, that beat is done in this cycle; `finish`, and was the last
    """

    reads: fifo.SyncFIFOBuffered
    writes: fifo.SyncFIFOBuffered
    beats: fifo.SyncFIFOBuffered
    take_write: Signal
    head_read: Signal
    head_write: Signal
    active: Signal
    writing: Signal
    addr: Signal
    left: Signal
    beat_done: Signal
    finish: Signal


def queue_bursts(m: Module, axi: PureInterface, config: Config, addr_bits: int) -> Bursts:
    """Take requests and the beats of writes."""
    request = data.StructLayout({"addr": addr_bits, "len": 8})
    m.submodules.reads = reads = fifo.SyncFIFOBuffered(width=request.size, depth=8)
    m.submodules.writes = writes = fifo.SyncFIFOBuffered(width=request.size, depth=4)
    m.d.comb += [
        reads.w_data.eq(Cat(axi.araddr[:addr_bits], axi.arlen)), reads.w_en.eq(axi.arvalid),
        axi.arready.eq(reads.w_rdy),
        writes.w_data.eq(Cat(axi.awaddr[:addr_bits], axi.awlen)), writes.w_en.eq(axi.awvalid),
        axi.awready.eq(writes.w_rdy),
    ]
    # Written beats wait here, so that whoever sends them need not wait for the chip's state;
    # they come after their request, since the next request may be another master's.
    m.submodules.beats = beats = fifo.SyncFIFOBuffered(
        width=config.beat_bits + config.port.bytes, depth=4)
    owed = Signal(4)  # requests whose last beat has not come
    m.d.comb += [
        beats.w_data.eq(Cat(axi.wdata, axi.wstrb)), beats.w_en.eq(axi.wvalid & (owed != 0)),
        axi.wready.eq(beats.w_rdy & (owed != 0)),
    ]
    m.d.sync += owed.eq(owed + (axi.awvalid & axi.awready)
                        - (axi.wvalid & axi.wready & axi.wlast))
    active, writing = Signal(), Signal()
    left, addr = Signal(8), Signal(addr_bits)
    beat_done, finish = Signal(), Signal()
    take_write = Signal()
    head_r, head_w = Signal(request), Signal(request)
    m.d.comb += [
        head_r.eq(reads.r_data), head_w.eq(writes.r_data),
        finish.eq(beat_done & (left == 0)),
        take_write.eq(writes.r_rdy & (~reads.r_rdy | ~writing)),
    ]
    with m.If(beat_done):
        m.d.sync += [left.eq(left - 1), addr.eq(addr + config.port.bytes)]
    return Bursts(reads, writes, beats, take_write, head_r, head_w, active, writing, addr, left,
                  beat_done, finish)


def take_next(m: Module, bursts: Bursts, blocked: Value) -> None:
    """Go on to the next burst after the last beat of one, unless `blocked`."""
    reads, writes, take_write = bursts.reads, bursts.writes, bursts.take_write
    head_r, head_w, addr, left = bursts.head_read, bursts.head_write, bursts.addr, bursts.left
    with m.If(~bursts.active | bursts.finish):
        m.d.sync += [bursts.active.eq((reads.r_rdy | writes.r_rdy) & ~blocked),
                     bursts.writing.eq(take_write & ~blocked)]
        m.d.comb += [writes.r_en.eq(take_write & ~blocked),
                     reads.r_en.eq(~take_write & ~blocked)]
        with m.If(take_write):
            m.d.sync += [addr.eq(head_w.addr), left.eq(head_w.len)]
        with m.Else():
            m.d.sync += [addr.eq(head_r.addr), left.eq(head_r.len)]
