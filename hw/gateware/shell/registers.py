"""The control registers behind AXI4-Lite."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.control.counters import Counters
from hw.gateware.parts.select import select
from hw.gateware.signatures.axi import AxiLiteSlave
from hw.gateware.signatures.ports import ControlPort
from hw.registers import (
    FINAL_WORDS,
    GLOBAL,
    INSTANCE,
    INSTANCE_BASE,
    INSTANCE_STRIDE,
    REFUSED_WIDE,
    kept_bits,
    reset_value,
)

from .doze import Doze
from .runs import Runs, follow_runs

__all__ = ["Control"]

_SLVERR = 2


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

    Timing
    ------
    A read is answered `READ_LATENCY` cycles after its address was taken, one of a counter or of the
    log when all of a run that is over lies in the log, and a cycle later where that shows another
    word; a write in the next cycle. Cycles count a cycle after they were, in all instances alike.

    Resources
    ---------
    Four registers for each instance; AND-OR multiplexers of 32 bits over instances
    and over registers.
    """

    #: Cycles from a read's address to its answer: the address is kept, the log selected and read,
    #: the instance chosen, and then the value, in two steps.
    READ_LATENCY = 1 + 1 + Counters.READ_LATENCY + 1 + 2

    bus: wiring.PureInterface
    instances: list[wiring.PureInterface]
    irq: Signal
    clocks: Signal
    events: Signal

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
        runs = follow_runs(m, self.instances, self.irq)
        writable = self._write(m, runs)
        values = {
            **{name: reset_value(self._config, name)
               for name in ("ID", "VERSIONS", "CONFIG_HASH", "INSTANCES")},
            "RUNNING": runs.running, "DONE": Cat(p.done for p in self.instances),
            "ERROR": Cat(p.error for p in self.instances), "WATCHDOG": runs.watchdog,
            "CYCLES": runs.cycles, "WRAPPED": runs.wrapped, "ACTIVE": runs.active,
        }
        read = self._take_address(m)
        self._clock(m, runs, read)
        mine = self._choose_instance(m, read.one_hot, writable)
        waits = self._select_log(m, runs, read, writable)
        self._answer(m, read, values, mine, waits)
        return m

    def _write(self, m: Module, runs: Runs) -> dict[tuple[int, str], Signal]:
        """Take an address and its data together. Returns what was written last to the registers of
        an instance, by its number and their names."""
        bus, going = self.bus, runs.going
        start, stop, active, running = runs.start, runs.stop, runs.active, runs.running
        write, write_error = Signal(), Signal()
        m.d.comb += [
            write.eq(bus.awvalid & bus.wvalid & ~bus.bvalid),
            bus.awready.eq(write), bus.wready.eq(write),
        ]
        m.d.sync += runs.winds.eq(0)
        m.d.sync += start.eq(0)  # a pulse from registers: it clears most of an instance
        m.d.sync += stop.eq(stop & running)  # lasts until there is nothing more to stop
        whole = bus.wstrb.all()
        writable = self._writable(m)
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
                m.d.sync += [runs.watchdog.eq(bus.wdata), runs.winds.eq(1)]
            for (i, name), register in writable.items():
                with m.Case(_address(name, i)):
                    m.d.comb += write_error.eq(0)
                    with m.If(~going | int(name == "LOG_SELECT")):
                        m.d.sync += register.eq(self._kept(name))
        with m.If(write):
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(write_error * _SLVERR)]
        return writable

    def _kept(self, name: str) -> Value:
        """What a register of an instance keeps of the word that is written."""
        word, bits = self.bus.wdata, kept_bits(self._config, name)
        if name in REFUSED_WIDE and bits.stop < len(word):
            word = word | word[bits.stop:].any().replicate(len(word))
        return word[bits.start:bits.stop]

    def _writable(self, m: Module) -> dict[tuple[int, str], Signal]:
        """Registers of the instances that can be written."""
        writable = {}
        for i, p in enumerate(self.instances):
            for name in ("PROGRAM", "WINDOW_BASE", "WINDOW_BYTES", "LOG_SELECT"):
                mine = getattr(p, name.lower())
                register = Signal(len(mine), name=f"{name.lower()}_{i}")
                writable[i, name] = register
                if name != "LOG_SELECT":
                    m.d.comb += mine.eq(register)
        return writable

    # -- read: choose the instance, then its register; the counters come out of its log ----------
    def _take_address(self, m: Module) -> "_Read":
        """Take the address of a read."""
        bus, count = self.bus, self._config.instances
        asked, chosen, addr = Signal(), Signal(3), Signal.like(bus.araddr)
        of_one, one_hot = Signal(), Signal(count)
        m.d.comb += bus.arready.eq(~asked & ~bus.rvalid)
        with m.If(bus.arvalid & bus.arready):
            index = bus.araddr[ceil_log2(INSTANCE_STRIDE):ceil_log2(INSTANCE_BASE)]
            m.d.sync += [asked.eq(1), chosen.eq(0), addr.eq(bus.araddr),
                         of_one.eq(bus.araddr >= INSTANCE_BASE),
                         one_hot.eq(Cat(index == i for i in range(count)))]
        with m.If(bus.rvalid & bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        return _Read(asked, chosen, addr, of_one, one_hot)

    def _clock(self, m: Module, runs: Runs, read: "_Read") -> None:
        """Decide who needs a clock."""
        bus, ports, start, stop = self.bus, self.instances, runs.start, runs.stop
        m.submodules.doze = doze = Doze(self._config.instances)
        m.d.comb += [
            # nobody sleeps where a run begins or ends, the watchdog barks, or the host is here
            doze.stir.eq(runs.barks | start.any() | stop.any() | (runs.counting != runs.counted)
                         | bus.awvalid | bus.wvalid | bus.bvalid | bus.arvalid | read.asked
                         | bus.rvalid),
            doze.events.eq(self.events), doze.dozing.eq(Cat(p.dozing for p in ports)),
            doze.counting.eq(Cat(p.counting for p in ports))]
        for i, p in enumerate(ports):
            m.d.comb += [p.wake.eq(doze.wake[i]), p.slept.eq(doze.slept[i])]
        reads = Mux(read.asked & read.of_one, read.one_hot, 0)
        m.d.comb += self.clocks.eq(
            (runs.active | runs.running | Cat(p.log_busy for p in ports) | reads) & ~doze.asleep)

    def _choose_instance(self, m: Module, one_hot: Signal,
                         writable: dict[tuple[int, str], Signal]) -> dict[str, Value]:
        """Registers of the instance that is read."""
        mine = {}
        for name in INSTANCE:
            if name in FINAL_WORDS:
                continue
            sources = [writable.get((i, name), getattr(p, name.lower(), None))
                       for i, p in enumerate(self.instances)]
            chosen = Signal(len(Value.cast(sources[0])), name=f"mine_{name.lower()}")
            m.d.sync += chosen.eq(select(m, one_hot, sources, chosen))
            below = kept_bits(self._config, name).start if INSTANCE[name].access == "rw" else 0
            mine[name] = Cat(Const(0, below), chosen)
        return mine

    def _select_log(self, m: Module, runs: Runs, read: "_Read",
                    writable: dict[tuple[int, str], Signal]) -> Value:
        """Show the word that is a counter's, or the one that was asked for. Returns 1 while what
        is read of a run that is over is not in the log yet."""
        ports, one_hot = self.instances, read.one_hot
        busy, counter, logged = Signal(), Signal(), Signal()
        final = Signal.like(ports[0].log_select)
        m.d.sync += busy.eq((one_hot & Cat(p.log_busy for p in ports)).any() & ~runs.counted)
        with m.Switch(read.offset):
            for name, word in FINAL_WORDS.items():
                with m.Case(INSTANCE[name].offset):
                    m.d.comb += [counter.eq(read.of_one), logged.eq(read.of_one), final.eq(word)]
            with m.Case(*(INSTANCE[n].offset for n in ("LOG_COUNT", "LOG_LOST", "LOG_DATA"))):
                m.d.comb += logged.eq(read.of_one)
        for i, p in enumerate(ports):
            m.d.sync += p.log_select.eq(Mux(read.asked & counter & one_hot[i], final,
                                            writable[i, "LOG_SELECT"]))
        return logged & busy

    def _answer(self, m: Module, read: "_Read", values: dict[str, Value],
                mine: dict[str, Value], waits: Value) -> None:
        """Answer with a register of all instances, one of `values`, or with one of `mine`."""
        bus = self.bus
        found = []
        in_log = [INSTANCE[n].offset for n in ("LOG_DATA", *FINAL_WORDS)]
        for name, where, cases in (
                ("common", read.addr, [([GLOBAL[n].offset], v) for n, v in values.items()]),
                ("own", read.offset, [(in_log if n == "LOG_DATA" else [INSTANCE[n].offset], v)
                                      for n, v in mine.items()])):
            which, value = Signal(len(cases), name=f"{name}_which"), Signal(32, name=name)
            m.d.sync += [which.eq(Cat(where.matches(*at) for at, _ in cases)),
                         value.eq(select(m, which, [v for _, v in cases], value))]
            found += [value, which.any()]
        common, is_common, own, is_own = found
        known = Signal()
        m.d.sync += known.eq(Mux(read.of_one, read.one_hot.any() & is_own, is_common))
        with m.If(read.asked & ~waits):
            m.d.sync += read.chosen.eq(read.chosen + 1)
            with m.If(read.chosen == self.READ_LATENCY - 2):
                m.d.sync += [read.asked.eq(0), bus.rvalid.eq(1),
                             bus.rdata.eq(Mux(read.of_one, own, common)),
                             bus.rresp.eq(~known * _SLVERR)]


def _address(name: str, instance: int) -> int:
    """Of an instance's register."""
    return INSTANCE_BASE + INSTANCE_STRIDE * instance + INSTANCE[name].offset


@dataclass(frozen=True)
class _Read:
    """A read under way.

    Members
    -------
    asked : 1, there is one
    chosen : cycles since its address came
    addr : of the register; `offset` in an instance's
    of_one : 1, the register is an instance's; `one_hot` [instances], of which
    """

    asked: Signal
    chosen: Signal
    addr: Signal
    of_one: Signal
    one_hot: Signal

    @property
    def offset(self) -> Value:
        return self.addr[:ceil_log2(INSTANCE_STRIDE)]
