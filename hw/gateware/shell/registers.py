"""The control registers behind AXI4-Lite."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.signatures.axi import AxiLiteSlave
from hw.gateware.signatures.ports import ControlPort
from hw.isa import ISA_VERSION
from hw.registers import (
    FINAL_WORDS,
    GLOBAL,
    INSTANCE,
    INSTANCE_BASE,
    INSTANCE_STRIDE,
    MAGIC,
    MAP_VERSION,
)

from .doze import Doze
from .fabric import select

__all__ = ["Control"]

_SLVERR = 2
_READ_CYCLES = 6


class Control(wiring.Component):
    """Registers of `hw.registers`: an access outside the map answers SLVERR, and so does a write
    without all of its byte strobes, which changes nothing.

    Members
    -------
    bus : AXI4-Lite
    instances : array of `ControlPort`
    irq : 1, every instance that was started has ended
    events : [instances] 1, the memory or a barrier answers the instance
    clocks : [instances] 1, the instance needs its clock in this cycle

    An instance that is not active has a clock while it ends a run, and while one of its registers
    is read: those tell of the last run in which it took part.

    Timing: a read is answered six cycles after its address, one of a counter when the counters
    of the last run lie in the log. Cycles count a cycle after they were, in all instances alike.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "bus": Out(AxiLiteSlave()),
            "instances": In(ControlPort(config)).array(config.instances),
            "irq": Out(1), "clocks": Out(config.instances),
            "events": In(config.instances),
        })

    def elaborate(self, platform):
        m = Module()
        bus, ports = self.bus, self.instances
        count = self._config.instances
        running = Cat(p.running for p in ports)
        counting, counted, started = Signal(), Signal(), Signal()  # counted: a cycle ago
        start, stop, active = Signal(count), Signal(count), Signal(count, init=-1)
        cycles, watchdog, since = Signal(32), Signal(32), Signal(32)
        barks = Signal()
        m.d.comb += [counting.eq(running.any()), self.irq.eq(started & ~counting & ~start.any())]
        with m.If(start.any()):
            m.d.sync += [started.eq(1), cycles.eq(0)]
        with m.Elif(counted):
            m.d.sync += cycles.eq(cycles + 1)
        for i, p in enumerate(ports):
            m.d.comb += [p.start.eq(start[i]), p.stop.eq(stop[i]), p.watchdog.eq(barks),
                         p.counting.eq(counted & active[i])]
        # One counter for all: an instance must move at least once between two pulses.
        with m.If(start.any() | (since == 1)):
            m.d.sync += since.eq(watchdog)
        with m.Elif(since.any()):
            m.d.sync += since.eq(since - 1)
        m.d.sync += barks.eq(since == 1)
        going = Signal()
        m.d.sync += [counted.eq(counting), going.eq(start.any() | counting)]

        # -- write: address and data are taken together ------------------------------------------
        write, write_error = Signal(), Signal()
        m.d.comb += [
            write.eq(bus.awvalid & bus.wvalid & ~bus.bvalid),
            bus.awready.eq(write), bus.wready.eq(write),
        ]
        m.d.sync += start.eq(0)  # a pulse from registers: it clears most of an instance
        m.d.sync += stop.eq(stop & running)  # lasts until there is nothing more to stop
        whole = bus.wstrb.all()
        writable = {}
        for i, p in enumerate(ports):
            for name in ("PROGRAM", "WINDOW_BASE", "WINDOW_BYTES", "LOG_SELECT"):
                mine = getattr(p, name.lower())
                register = Signal(len(mine), name=f"{name.lower()}_{i}")
                writable[i, name] = register
                if name != "LOG_SELECT":
                    m.d.comb += mine.eq(register)
        with m.If(bus.bvalid & bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        m.d.comb += write_error.eq(1)
        with m.If(write & whole), m.Switch(bus.awaddr):
            with m.Case(GLOBAL["START"].offset):
                m.d.comb += write_error.eq(0)
                with m.If(~going):
                    m.d.sync += start.eq(bus.wdata & active)
            with m.Case(GLOBAL["STOP"].offset):
                m.d.comb += write_error.eq(0)
                m.d.sync += stop.eq((stop | bus.wdata) & running)
            with m.Case(GLOBAL["ACTIVE"].offset):
                m.d.comb += write_error.eq(0)
                with m.If(~going):
                    m.d.sync += active.eq(bus.wdata)
            with m.Case(GLOBAL["WATCHDOG"].offset):
                m.d.comb += write_error.eq(0)
                m.d.sync += watchdog.eq(bus.wdata)
            for (i, name), register in writable.items():
                with m.Case(self._address(name, i)):
                    m.d.comb += write_error.eq(0)
                    with m.If(~going | int(name == "LOG_SELECT")):
                        m.d.sync += register.eq(bus.wdata)
        with m.If(write):
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(write_error * _SLVERR)]

        # -- read: choose the instance, then its register; the counters come out of its log -------
        values = {
            "ID": MAGIC, "VERSIONS": MAP_VERSION << 16 | ISA_VERSION,
            "CONFIG_HASH": int(self._config.digest[:8], 16), "INSTANCES": count,
            "RUNNING": running, "DONE": Cat(p.done for p in ports),
            "ERROR": Cat(p.error for p in ports), "WATCHDOG": watchdog, "CYCLES": cycles,
            "ACTIVE": active,
        }
        asked, chosen, addr = Signal(), Signal(3), Signal.like(bus.araddr)
        of_one, one_hot = Signal(), Signal(count)  # the address is an instance's; this one's
        offset = addr[:ceil_log2(INSTANCE_STRIDE)]
        m.d.comb += bus.arready.eq(~asked & ~bus.rvalid)
        with m.If(bus.arvalid & bus.arready):
            index = bus.araddr[ceil_log2(INSTANCE_STRIDE):ceil_log2(INSTANCE_BASE)]
            m.d.sync += [asked.eq(1), chosen.eq(0), addr.eq(bus.araddr),
                         of_one.eq(bus.araddr >= INSTANCE_BASE),
                         one_hot.eq(Cat(index == i for i in range(count)))]
        with m.If(bus.rvalid & bus.rready):
            m.d.sync += bus.rvalid.eq(0)

        m.submodules.doze = doze = Doze(count)
        m.d.comb += [
            # nobody sleeps where a run begins or ends, the watchdog barks, or the host is here
            doze.stir.eq(barks | start.any() | stop.any() | (counting != counted) | bus.awvalid
                         | bus.wvalid | bus.bvalid | bus.arvalid | asked | bus.rvalid),
            doze.events.eq(self.events), doze.dozing.eq(Cat(p.dozing for p in ports)),
            doze.counting.eq(Cat(p.counting for p in ports))]
        for i, p in enumerate(ports):
            m.d.comb += [p.wake.eq(doze.wake[i]), p.slept.eq(doze.slept[i])]

        reads = Mux(asked & of_one, one_hot, 0)
        m.d.comb += self.clocks.eq((active | running | Cat(p.log_busy for p in ports) | reads)
                                   & ~doze.asleep)
        mine = {}
        for name in INSTANCE:
            if name in FINAL_WORDS:
                continue
            sources = [writable.get((i, name), getattr(p, name.lower(), None))
                       for i, p in enumerate(ports)]
            mine[name] = Signal(len(Value.cast(sources[0])), name=f"mine_{name.lower()}")
            m.d.sync += mine[name].eq(select(m, one_hot, sources, mine[name]))
        busy, counter = Signal(), Signal()
        final = Signal.like(ports[0].log_select)
        m.d.sync += busy.eq((one_hot & Cat(p.log_busy for p in ports)).any() & ~counted)
        with m.Switch(offset):
            for name, word in FINAL_WORDS.items():
                with m.Case(INSTANCE[name].offset):
                    m.d.comb += [counter.eq(of_one), final.eq(word)]
        for i, p in enumerate(ports):
            m.d.sync += p.log_select.eq(Mux(asked & counter & one_hot[i], final,
                                            writable[i, "LOG_SELECT"]))

        # what there is of all instances, and what of one
        found = []
        in_log = [INSTANCE[n].offset for n in ("LOG_DATA", *FINAL_WORDS)]
        for name, where, cases in (
                ("common", addr, [([GLOBAL[n].offset], v) for n, v in values.items()]),
                ("own", offset, [(in_log if n == "LOG_DATA" else [INSTANCE[n].offset], v)
                                 for n, v in mine.items()])):
            which, value = Signal(len(cases), name=f"{name}_which"), Signal(32, name=name)
            m.d.sync += [which.eq(Cat(where.matches(*at) for at, _ in cases)),
                         value.eq(select(m, which, [v for _, v in cases], value))]
            found += [value, which.any()]
        common, is_common, own, is_own = found
        known = Signal()
        m.d.sync += known.eq(Mux(of_one, one_hot.any() & is_own, is_common))
        # three cycles for the log to be read, one for the instance to be chosen, two for the value
        with m.If(asked & ~(counter & busy)):
            m.d.sync += chosen.eq(chosen + 1)
            with m.If(chosen == _READ_CYCLES - 1):
                m.d.sync += [asked.eq(0), bus.rvalid.eq(1), bus.rdata.eq(Mux(of_one, own, common)),
                             bus.rresp.eq(~known * _SLVERR)]
        return m

    @staticmethod
    def _address(name, instance):
        return INSTANCE_BASE + INSTANCE_STRIDE * instance + INSTANCE[name].offset
