"""Whether anything in an instance goes on: stuck, finished, or dozing until something comes."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import PureInterface

from .blocks import Blocks
from .exchange import Outstanding

__all__ = ["Progress", "doze", "follow_progress"]

#: Cycles without any movement, with nothing outstanding, after which nothing can move any more:
#: longer than the longest pipeline between two movements.
_STUCK_CYCLES = 64
#: The same while something is outstanding: the instance dozes from then on. Of 7, too, the
#: simulation's check of every flip-flop of a dozing instance finds nothing.
_DOZE_CYCLES = 8


@dataclass(frozen=True)
class Progress:
    """How an instance gets on.

    Members
    -------
    moving : 1, something moves in this cycle, or did in the one before
    moved_lately : 1, something has moved since the last pulse of the watchdog
    waits : 1, something may still come from outside
    stuck : 1, nothing can move any more, and the program has not ended
    finished : 1, the program has ended and every unit is idle
    """

    moving: Value
    moved_lately: Signal
    waits: Value
    stuck: Value
    finished: Signal


def follow_progress(m: Module, blocks: Blocks, control: PureInterface, memory: PureInterface,
                    running: Signal, outstanding: Outstanding) -> Progress:
    """Watch what moves."""
    sequencer, path, acts = blocks.sequencer, blocks.path, blocks.acts
    moved, still = Signal(), Signal(7)
    moved_lately = Signal()
    moving = Signal()
    m.d.sync += moved.eq(moving)
    m.d.comb += moving.eq(Cat(
        sequencer.moved, path.moved,
        *(p.valid & p.ready for p in (acts.compute, acts.store, acts.post, acts.load)),
        *(d.valid for d in blocks.done.values())).any())
    answered = Signal()  # by the memory, a cycle ago
    m.d.comb += answered.eq(outstanding.events)
    waits = outstanding.any | outstanding.asking | memory.wr.valid | blocks.loader.arrive
    with m.If(control.start | moved | waits | ~running):
        m.d.sync += still.eq(0)
    with m.Else():
        m.d.sync += still.eq(still + 1)
    m.d.sync += moved_lately.eq(control.start | moved | answered
                                | (moved_lately & ~control.watchdog))
    finished = Signal()
    m.d.sync += finished.eq(
        sequencer.ended & ~sequencer.fetching & ~outstanding.any
        & ~Cat(*(g.busy for g in blocks.gates.values()), blocks.loader.busy, blocks.storer.busy,
               blocks.weights.busy, path.compute_busy, path.post_busy).any())
    return Progress(moving | moved, moved_lately, waits, (still == _STUCK_CYCLES) & ~finished,
                    finished)


def doze(m: Module, dozing: Signal, nothing_changes: Value) -> None:
    """Say that an instance dozes when for a while nothing has changed that would without something
    from outside."""
    calm, quiet = Signal(), Signal(range(_DOZE_CYCLES + 1))
    m.d.comb += calm.eq(nothing_changes)
    with m.If(~calm):
        m.d.sync += [quiet.eq(0), dozing.eq(0)]
    with m.Elif(quiet == _DOZE_CYCLES):
        m.d.sync += dozing.eq(1)
    with m.Else():
        m.d.sync += quiet.eq(quiet + 1)
