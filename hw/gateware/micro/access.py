"""One access to external memory at a time."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config
from hw.gateware.signatures.ports import READERS, MemoryPort

__all__ = ["MemoryAccess"]


class MemoryAccess(wiring.Component):
    """Read or write a beat of four bytes inside the window, and wait for the answer.

    Members
    -------
    memory : port to the fabric
    reads : [readers] hold to read, at `addr`
    writes : hold to write `value`, an activation word, at `write_addr`
    done : 1, in the last cycle of it; `data`, from that byte on; `outside`, 1 if it would leave
        the window and was not done; `refused`, 1 if the memory answered with an error
    running : 0, make no request that was not yet taken
    base, window_bytes, layer : of requests

    Timing
    ------
    A request is made in the cycle in which it is held, and done in that of the memory's answer.

    Resources
    ---------
    Seven flip-flops, an adder and a comparison of addresses, a shifter of 32 bits.
    """

    memory: wiring.PureInterface
    reads: Signal
    writes: Signal
    addr: Signal
    write_addr: Signal
    value: Signal
    done: Signal
    data: Signal
    outside: Signal
    refused: Signal
    running: Signal
    base: Signal
    window_bytes: Signal
    layer: Signal

    def __init__(self, config: Config):
        self._config = config
        bits, offset = config.port.address_bits, config.offset_bits
        super().__init__({
            "memory": Out(MemoryPort(config)), "reads": In(len(READERS)), "writes": In(1),
            "addr": In(offset), "write_addr": In(offset), "value": In(config.word_bits),
            "done": Out(1), "data": Out(32), "outside": Out(1), "refused": Out(1),
            "running": In(1), "base": In(bits), "window_bytes": In(offset), "layer": In(11),
        })

    def elaborate(self, platform):
        m = Module()
        memory, size = self.memory, self._config.array.rows
        addr, outside = Signal.like(self.addr), Signal()
        asked, sends = Signal(), Signal()  # the request was taken; its data waits to be
        # The fabric knows a cycle late who runs, and tells of what it took in the next. What it is
        # asked no more it may have taken all the same: it tells within two cycles.
        ran = Signal(5)  # one cycle ago, two, ...
        lives, gone = ran[1], ~ran[1:].any()
        request, asks, taken = Signal(memory.wr.payload.shape()), Signal(), Signal()
        m.d.comb += addr.eq(Mux(self.writes, self.write_addr, self.addr))
        beat = Cat(Const(0, 2), addr[2:])
        streams = {memory.wr: self.writes}
        for channel in READERS:
            streams[getattr(memory, f"rd_{channel.name.lower()}")] = self.reads[channel.value]
        m.d.comb += [
            outside.eq(self.window_bytes < beat + 4),
            asks.eq(~asked & ~outside & lives),
            request.addr.eq(beat + self.base), request.beats.eq(1),
            request.layer.eq(self.layer), memory.alive.eq(self.running),
            *(s.payload.eq(request) for s in streams),
            *(s.valid.eq(asks & wanted) for s, wanted in streams.items()),
            taken.eq(Cat(s.ready for s in streams).any()),
            memory.wr_data.valid.eq(sends),
            memory.wr_data.payload.data.eq(self.value.replicate(4 // size)),
            memory.wr_data.payload.strb.eq(((1 << size) - 1) << addr[:2]),
        ]
        wanted, answered = self.reads.any() | self.writes, Signal()
        m.d.comb += [
            answered.eq(asked & (memory.ret_valid | memory.wr_ret_valid)),
            self.outside.eq(wanted & ~asked & outside),
            self.done.eq(answered | self.outside | (wanted & ~asked & gone)),
            self.refused.eq((memory.ret_valid & memory.ret_error)
                            | (memory.wr_ret_valid & memory.wr_ret_error)),
            self.data.eq(memory.ret_data >> (addr[:2] << 3)),
        ]
        m.d.sync += ran.eq(Cat(self.running, ran[:-1]))
        m.d.sync += asked.eq((asked | taken) & ~answered)
        m.d.sync += sends.eq((sends & ~memory.wr_data.ready) | (taken & self.writes))
        return m
