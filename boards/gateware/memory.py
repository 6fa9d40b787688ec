"""Memory on the board's own block RAM, and the switch by which accelerator and link share one."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.signatures.axi import AxiMaster

__all__ = ["AxiRam", "AxiSwitch"]


class AxiRam(wiring.Component):
    """AXI4 slave on block RAM: one burst at a time, a beat every cycle once it has begun.

    Members: `axi`, seen from the master; `ready`, always 1; `running`, of no effect here.

    Parameters
    ----------
    config : Config
    size : int
        Bytes; a multiple of the port's. Accesses beyond it answer SLVERR.

    Timing
    ------
    The first beat of a read comes `READ_LATENCY` cycles after its request was taken.

    Resources
    ---------
    Block RAM of `size` bytes.
    """

    #: Cycles from a read's request to its first beat.
    READ_LATENCY = 2

    axi: wiring.PureInterface
    running: Signal
    ready: Signal

    def __init__(self, config: Config, size: int):
        if size % config.port.bytes:
            raise ValueError(f"size is {size}; it must be a multiple of {config.port.bytes}")
        self._config, self._size = config, size
        super().__init__({"axi": In(AxiMaster(config)), "running": In(1),
                          "ready": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        config, axi = self._config, self.axi
        depth, shift = self._size // config.port.bytes, ceil_log2(config.port.bytes)
        m.submodules.ram = ram = memory.Memory(shape=config.beat_bits, depth=depth, init=[])
        read, write = ram.read_port(), ram.write_port(granularity=8)
        index, left, error = Signal(33 - shift), Signal(9), Signal()
        asked = Signal()
        m.d.comb += [
            self.ready.eq(1), read.addr.eq(index), read.en.eq(0), write.addr.eq(index),
            write.data.eq(axi.wdata), axi.rdata.eq(read.data),
            axi.rresp.eq(Mux(error, 2, 0)), axi.bresp.eq(Mux(error, 2, 0)),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [error.eq(0), asked.eq(0)]
                with m.If(axi.awvalid):
                    m.d.comb += axi.awready.eq(1)
                    m.d.sync += [index.eq(axi.awaddr >> shift), left.eq(axi.awlen)]
                    m.next = "WRITE"
                with m.Elif(axi.arvalid):
                    m.d.comb += axi.arready.eq(1)
                    m.d.sync += [index.eq(axi.araddr >> shift), left.eq(axi.arlen)]
                    m.next = "READ"
            with m.State("WRITE"):
                m.d.comb += axi.wready.eq(1)
                with m.If(axi.wvalid):
                    with m.If(index < depth):
                        m.d.comb += write.en.eq(axi.wstrb)
                    with m.Else():
                        m.d.sync += error.eq(1)
                    m.d.sync += [index.eq(index + 1), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += axi.bvalid.eq(1)
                with m.If(axi.bready):
                    m.next = "IDLE"
            with m.State("READ"):
                # `asked`: the RAM's output is the beat before `index`
                more = Signal()
                m.d.comb += [axi.rvalid.eq(asked), axi.rlast.eq(left == 0),
                             more.eq(~asked | (axi.rready & (left != 0))), read.en.eq(more)]
                with m.If(more):
                    m.d.sync += [asked.eq(1), index.eq(index + 1), error.eq(index >= depth)]
                with m.If(asked & axi.rready):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 0):
                        m.next = "IDLE"
        return m


class AxiSwitch(wiring.Component):
    """Let a second master in between the bursts of a first.

    The second waits until nothing of the first's is outstanding, and then has the memory for
    one transaction. What the slave has seen is never withdrawn. Data of a burst passes with its
    address or after it, so that a slave that takes data early never has that of a burst whose
    address is held back.

    Members
    -------
    first, second : masters; the second makes one transaction of one beat at a time
    slave : memory

    Timing
    ------
    Nothing is delayed on its way but data that comes before its address; changing masters takes
    two cycles with nothing outstanding.

    Resources
    ---------
    Counters of 8 bits of reads, of writes and of bursts whose data is due; a multiplexer of each
    channel.
    """

    first: wiring.PureInterface
    second: wiring.PureInterface
    slave: wiring.PureInterface

    def __init__(self, config: Config):
        super().__init__({"first": In(AxiMaster(config)), "second": In(AxiMaster(config)),
                          "slave": Out(AxiMaster(config))})

    def elaborate(self, platform):
        m = Module()
        first, second, slave = self.first, self.second, self.slave
        owner, hold = Signal(), Signal()
        reads, writes = Signal(8), Signal(8)
        # Bursts of the first whose address the slave has taken and whose data it has not; -1 if it
        # has taken all data of the one whose address it is offered.
        due, may_write = Signal(signed(8)), Signal()
        wants = Signal()
        m.d.comb += wants.eq(second.arvalid | second.awvalid)
        for path, member, value in slave.signature.flatten(slave):
            name = path[0]
            a, b = getattr(first, name), getattr(second, name)
            if member.flow == Out:
                if name in ("arvalid", "awvalid"):
                    m.d.comb += value.eq(Mux(owner, b, a & ~hold))
                elif name == "wvalid":
                    m.d.comb += value.eq(Mux(owner, b, a & may_write))
                else:
                    m.d.comb += value.eq(Mux(owner, b, a))
            elif name in ("arready", "awready"):
                m.d.comb += [a.eq(value & ~owner & ~hold), b.eq(value & owner)]
            elif name == "wready":
                m.d.comb += [a.eq(value & ~owner & may_write), b.eq(value & owner)]
            elif name in ("rvalid", "bvalid"):
                m.d.comb += [a.eq(value & ~owner), b.eq(value & owner)]
            else:
                m.d.comb += [a.eq(value), b.eq(value)]
        m.d.sync += [
            reads.eq(reads + (first.arvalid & first.arready)
                     - (first.rvalid & first.rready & first.rlast)),
            writes.eq(writes + (first.awvalid & first.awready) - (first.bvalid & first.bready)),
            due.eq(due + (first.awvalid & first.awready)
                   - (first.wvalid & first.wready & first.wlast)),
        ]
        m.d.comb += may_write.eq(due + (first.awvalid & ~hold) > 0)
        seen = (slave.arvalid & ~slave.arready) | (slave.awvalid & ~slave.awready)
        with m.If(~owner):
            with m.If(wants & ~seen):
                m.d.sync += hold.eq(1)
            with m.If(hold & (reads == 0) & (writes == 0)):
                m.d.sync += owner.eq(1)
        with m.Elif((second.rvalid & second.rready) | (second.bvalid & second.bready)):
            m.d.sync += [owner.eq(0), hold.eq(0)]
        return m
