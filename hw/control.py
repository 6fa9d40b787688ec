"""The control registers behind AXI4-Lite."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axi import AxiLiteSlave
from .config import Config, ceil_log2
from .isa import ISA_VERSION
from .ports import ControlPort
from .registers import COUNTERS, GLOBAL, INSTANCE, INSTANCE_BASE, INSTANCE_STRIDE, MAGIC

__all__ = ["Control"]

_SLVERR = 2


class Control(wiring.Component):
    """Registers of `hw.registers`: an access outside the map answers SLVERR.

    Members
    -------
    bus : AXI4-Lite
    instances : array of `ControlPort`
    irq : 1, every instance that was started has ended
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "bus": Out(AxiLiteSlave()),
            "instances": In(ControlPort(config)).array(config.instances),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        bus, ports = self.bus, self.instances
        count = self._config.instances
        running = Cat(p.running for p in ports)
        counting, started = Signal(), Signal()
        start = Signal(count)
        cycles, watchdog = Signal(32), Signal(32)
        m.d.comb += [counting.eq(running.any()), self.irq.eq(started & ~counting & ~start.any())]
        with m.If(start.any()):
            m.d.sync += [started.eq(1), cycles.eq(0)]
        with m.Elif(counting):
            m.d.sync += cycles.eq(cycles + 1)
        for i, p in enumerate(ports):
            m.d.comb += [p.start.eq(start[i]), p.counting.eq(counting),
                         p.watchdog.eq(watchdog)]

        # -- write: address and data are taken together ------------------------------------------
        write, write_error = Signal(), Signal()
        m.d.comb += [
            write.eq(bus.awvalid & bus.wvalid & ~bus.bvalid),
            bus.awready.eq(write), bus.wready.eq(write),
        ]
        mask = Cat(b.replicate(8) for b in bus.wstrb)

        def merge(register):
            return (register & ~mask) | (bus.wdata & mask)

        writable = {}
        for i, p in enumerate(ports):
            for name in ("PROGRAM", "WINDOW_BASE", "WINDOW_BYTES", "LOG_SELECT"):
                register = Signal(32, name=f"{name.lower()}_{i}")
                writable[i, name] = register
                m.d.comb += getattr(p, name.lower()).eq(register)
        with m.If(bus.bvalid & bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        m.d.comb += write_error.eq(1)
        with m.If(write):
            with m.Switch(bus.awaddr):
                with m.Case(GLOBAL["START"].offset):
                    m.d.comb += write_error.eq(0)
                    with m.If(~counting):
                        m.d.comb += start.eq(bus.wdata & mask)
                with m.Case(GLOBAL["WATCHDOG"].offset):
                    m.d.comb += write_error.eq(0)
                    m.d.sync += watchdog.eq(merge(watchdog))
                for (i, name), register in writable.items():
                    with m.Case(self._address(name, i)):
                        m.d.comb += write_error.eq(0)
                        m.d.sync += register.eq(merge(register))
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(write_error * _SLVERR)]

        # -- read: instance first, register of it a cycle later ------------------------------------
        values = {
            "ID": MAGIC, "ISA_VERSION": ISA_VERSION,
            "CONFIG_HASH": int(self._config.digest[:8], 16), "INSTANCES": count,
            "RUNNING": running, "DONE": Cat(p.done for p in ports),
            "ERROR": Cat(p.error for p in ports), "WATCHDOG": watchdog, "CYCLES": cycles,
        }
        asked, addr = Signal(), Signal.like(bus.araddr)
        index = addr[ceil_log2(INSTANCE_STRIDE):ceil_log2(INSTANCE_BASE)]
        m.d.comb += bus.arready.eq(~asked & ~bus.rvalid)
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [asked.eq(1), addr.eq(bus.araddr)]
        with m.If(bus.rvalid & bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        value, read_error = Signal(32), Signal()
        m.d.comb += read_error.eq(1)
        with m.If(addr < INSTANCE_BASE), m.Switch(addr):
            for name, source in values.items():
                with m.Case(GLOBAL[name].offset):
                    m.d.comb += [value.eq(source), read_error.eq(0)]
        with m.Else():
            for i, p in enumerate(ports):
                with m.If(index == i), m.Switch(addr[:ceil_log2(INSTANCE_STRIDE)]):
                    for name, register in INSTANCE.items():
                        source = writable.get((i, name))
                        if source is None:
                            prefix = "count_" if name in COUNTERS else ""
                            source = getattr(p, prefix + name.lower())
                        with m.Case(register.offset):
                            m.d.comb += [value.eq(source), read_error.eq(0)]
        with m.If(asked):
            m.d.sync += [asked.eq(0), bus.rvalid.eq(1), bus.rdata.eq(value),
                         bus.rresp.eq(read_error * _SLVERR)]
        return m

    @staticmethod
    def _address(name, instance):
        return INSTANCE_BASE + INSTANCE_STRIDE * instance + INSTANCE[name].offset
