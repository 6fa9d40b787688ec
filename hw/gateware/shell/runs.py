"""Runs of all instances together: how long, and who hangs."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import PureInterface

from .watchdog import Watchdog

__all__ = ["Runs", "follow_runs"]

_CYCLE_BITS = 32


@dataclass(frozen=True)
class Runs:
    """The state of all instances together.

    Members
    -------
    running : [instances] runs
    counting, counted : 1, one of them does; did a cycle ago
    going : 1, a run is under way or has just been started
    start, stop, active : [instances] registers
    cycles, watchdog : registers
    wrapped : 1, `cycles` has begun anew in this run
    winds : 1, `watchdog` has just been written
    barks : pulse of the watchdog
    """

    running: Value
    counting: Signal
    counted: Signal
    going: Signal
    start: Signal
    stop: Signal
    active: Signal
    cycles: Signal
    watchdog: Signal
    wrapped: Signal
    winds: Signal
    barks: Signal


def follow_runs(m: Module, ports: list[PureInterface], irq: Signal) -> Runs:
    """Count the cycles of a run, and raise `irq` when it is over; stop who hangs. What is written
    to the registers is for others to say."""
    count = len(ports)
    running = Cat(p.running for p in ports)
    counting, counted, started = Signal(), Signal(), Signal()
    start, stop, active = Signal(count), Signal(count), Signal(count, init=-1)
    cycles, watchdog, winds = Signal(_CYCLE_BITS), Signal(32), Signal()
    wrapped = Signal()
    m.submodules.watchdog = dog = Watchdog(count)
    m.d.comb += [counting.eq(running.any()), irq.eq(started & ~counting & ~start.any())]
    with m.If(start.any()):
        m.d.sync += [started.eq(1), cycles.eq(0), wrapped.eq(0)]
    with m.Elif(counted):
        m.d.sync += [cycles.eq(cycles + 1), wrapped.eq(wrapped | cycles.all())]
    for i, p in enumerate(ports):
        m.d.comb += [p.start.eq(start[i]), p.stop.eq(stop[i]), p.watchdog.eq(dog.hangs[i]),
                     p.counting.eq(counted & active[i])]
    m.d.comb += [
        dog.cycles.eq(watchdog), dog.winds.eq(winds), dog.starts.eq(start),
        dog.running.eq(running), dog.moves.eq(Cat(p.moves for p in ports)),
        dog.waits.eq(Cat(p.waits for p in ports))]
    going = Signal()
    m.d.sync += [counted.eq(counting), going.eq(start.any() | counting)]
    return Runs(running, counting, counted, going, start, stop, active, cycles, watchdog,
                wrapped, winds, dog.barks)
