"""Runs of all instances together: how long, and whether the watchdog barks."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import PureInterface

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
    barks: Signal


def follow_runs(m: Module, ports: list[PureInterface], irq: Signal) -> Runs:
    """Count the cycles of a run, and those to the next pulse of the watchdog; raise `irq` when it
    is over. What is written to the registers is for others to say."""
    count = len(ports)
    running = Cat(p.running for p in ports)
    counting, counted, started = Signal(), Signal(), Signal()
    start, stop, active = Signal(count), Signal(count), Signal(count, init=-1)
    cycles, watchdog, since = Signal(_CYCLE_BITS), Signal(32), Signal(32)
    wrapped = Signal()
    barks = Signal()
    m.d.comb += [counting.eq(running.any()), irq.eq(started & ~counting & ~start.any())]
    with m.If(start.any()):
        m.d.sync += [started.eq(1), cycles.eq(0), wrapped.eq(0)]
    with m.Elif(counted):
        m.d.sync += [cycles.eq(cycles + 1), wrapped.eq(wrapped | cycles.all())]
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
    return Runs(running, counting, counted, going, start, stop, active, cycles, watchdog,
                wrapped, barks)
