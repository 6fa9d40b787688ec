"""The compute path of an instance: feeder, tiles, array, accumulators, post-processing."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config
from hw.gateware.signatures.interfaces import (
    ActRead,
    ActWrite,
    Done,
    UnitFault,
    chunk_layout,
    insn_stream,
    need_layout,
    spared_members,
    tile_walk,
)
from hw.isa import ErrorCode, Opcode

from .accumulator import Accumulator
from .array import MacArray
from .feeder import Feeder
from .live import LiveInputs
from .post import Post
from .tiles import TileLoader

__all__ = ["Datapath"]


class Datapath(wiring.Component):
    """Wire the blocks between the instruction queues and the activation memory.

    Members
    -------
    i, i_ahead, i_post : COMPUTE, what the tile loader needs of it ahead of tokens, POST
    chunks : weight stream
    needs, rows, release : as `LiveInputs`, where zeros are skipped
    act_read, act_write : activation memory
    done_compute, done_post : completions
    fire, starved, acc_wait : what the array does; see `Cause`
    fault_compute, fault_post : a `UnitFault` of each
    compute_busy, post_busy : 1, from registers: they fall a cycle late
    post_waits : 1, a POST is prepared or under way
    advances : see `hw.gateware.progress`
    spared, spared_layer : as `spared_members`

    How streams run, and what comes back::

        act_read <-> feeder ----> array --> accumulator --> post --> act_write
        i ------------^           ^  ^                       ^ |
        i_ahead ---> tiles -- tile'  '-- drained ------------|-'
        chunks ------^ '------------------------ params -----'

    Timing
    ------
    One vector per cycle; from a read's grant to its sum in a bank `LATENCY` of the feeder, the
    array and the accumulators one after the other. A bank is drained while the other fills.

    Resources
    ---------
    Its blocks; two flip-flops of its own.
    """

    i: stream.Interface
    i_ahead: stream.Interface
    i_post: stream.Interface
    chunks: stream.Interface
    needs: stream.Interface
    rows: stream.Interface
    release: stream.Interface
    act_read: wiring.PureInterface
    act_write: wiring.PureInterface
    done_compute: wiring.PureInterface
    done_post: wiring.PureInterface
    fire: Signal
    starved: Signal
    acc_wait: Signal
    fault_compute: wiring.PureInterface
    fault_post: wiring.PureInterface
    compute_busy: Signal
    post_busy: Signal
    post_waits: Signal
    advances: Signal
    spared: Signal
    spared_layer: Signal

    def __init__(self, config: Config):
        self._config = config
        skipping = {"needs": Out(stream.Signature(need_layout(config))),
                    "rows": In(stream.Signature(unsigned(config.beat_bits))),
                    "release": Out(stream.Signature(unsigned(0)))}
        super().__init__({
            **(skipping if config.array.zero_skip else {}), **spared_members(config),
            "i": In(insn_stream(Opcode.COMPUTE, config)),
            "i_ahead": In(stream.Signature(tile_walk(config))),
            "i_post": In(insn_stream(Opcode.POST, config)),
            "chunks": In(stream.Signature(chunk_layout(config))),
            "act_read": Out(ActRead(config)), "act_write": Out(ActWrite(config)),
            "done_compute": Out(Done(Opcode.COMPUTE)), "done_post": Out(Done(Opcode.POST)),
            "fire": Out(1), "starved": Out(1), "acc_wait": Out(1),
            "fault_compute": Out(UnitFault()), "fault_post": Out(UnitFault()),
            "compute_busy": Out(1), "post_busy": Out(1), "post_waits": Out(1),
            "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.feeder = feeder = Feeder(config)
        m.submodules.tiles = tiles = TileLoader(config)
        m.submodules.array = array = MacArray(config)
        m.submodules.accumulator = accumulator = Accumulator(config)
        m.submodules.post = post = Post(config)
        own = wiring.flipped
        wiring.connect(m, own(self.i), feeder.i)
        wiring.connect(m, own(self.i_ahead), tiles.i)
        wiring.connect(m, own(self.i_post), post.i)
        wiring.connect(m, own(self.chunks), tiles.chunks)
        wiring.connect(m, own(self.act_read), feeder.acts)
        wiring.connect(m, own(self.act_write), post.acts)
        wiring.connect(m, own(self.done_compute), feeder.done)
        wiring.connect(m, own(self.done_post), post.done)
        wiring.connect(m, own(self.fault_post), post.fault)
        m.d.comb += [self.fault_compute.code.eq(feeder.fault.code),
                     self.fault_compute.layer.eq(feeder.fault.layer)]
        with m.If(feeder.overflow | array.mismatch):  # fields contradict each other
            m.d.comb += [self.fault_compute.code.eq(ErrorCode.BAD_FIELD),
                         self.fault_compute.layer.eq(
                             Mux(array.mismatch, array.layer, feeder.layer))]
        busy = feeder.busy | array.busy
        advances = [block.advances for block in (feeder, tiles, array, accumulator, post)]
        if config.array.zero_skip:
            m.submodules.live = live = LiveInputs(config)
            wiring.connect(m, feeder.o, live.i)
            wiring.connect(m, live.o, array.i)
            wiring.connect(m, tiles.o, live.tile_i)
            wiring.connect(m, live.tile_o, array.tile)
            wiring.connect(m, live.needs, own(self.needs))
            wiring.connect(m, own(self.rows), live.rows)
            wiring.connect(m, live.release, own(self.release))
            wiring.connect(m, post.params, tiles.params)
            m.d.comb += [self.spared.eq(feeder.spared), self.spared_layer.eq(feeder.spared_layer)]
            busy = busy | live.busy
            advances.append(live.advances)
        else:
            wiring.connect(m, feeder.o, array.i)
            wiring.connect(m, tiles.o, array.tile)
            if config.array.post_lanes == 1:
                wiring.connect(m, post.params, tiles.params)
            else:
                m.d.comb += [p.eq(t) for p, t in zip(post.params, tiles.params, strict=True)]
        if config.array.tables:
            wiring.connect(m, tiles.tables, post.tables)
        wiring.connect(m, array.o, accumulator.i)
        wiring.connect(m, post.acc, accumulator.read)
        # Late by a cycle, but never when an instruction comes.
        m.d.sync += [
            self.compute_busy.eq(busy | (self.i.valid & self.i.ready)),
            self.post_busy.eq(post.busy | accumulator.full.any()
                              | (self.i_post.valid & self.i_post.ready)),
        ]
        m.d.comb += [
            post.full.eq(accumulator.full),
            *(block.drained.eq(post.drained) for block in (feeder, tiles, accumulator)),
            self.fire.eq(array.fire), self.starved.eq(array.starved),
            self.acc_wait.eq(feeder.acc_wait), self.post_waits.eq(post.waits),
            self.advances.eq(Cat(advances).any()),
        ]
        return m
