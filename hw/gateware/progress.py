"""Whether anything in an instance goes on: stuck, finished, or dozing until something comes.

Every block of an instance has a bit, `advances`: no register of it changes but within a cycle of
one in which the bit is 1, before or after. All that is asked here, and by the watchdog, comes from
these bits: what they do not tell does not happen, which the simulation checks of every flip-flop.
"""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import PureInterface

from hw.config import Config
from hw.gateware.control.runstate import RunState

from .blocks import Blocks
from .exchange import Outstanding

__all__ = ["Progress", "doze", "follow_progress"]

#: Cycles without any movement, with nothing outstanding, after which nothing can move any more.
_STUCK_CYCLES = 64
#: The same while something is outstanding: the instance dozes from then on.
_DOZE_CYCLES = 8


@dataclass(frozen=True)
class Progress:
    """How an instance gets on.

    Members
    -------
    moved : 1, something moved a cycle ago
    waits : 1, something may still come from outside
    stuck : 1, nothing can move any more, and the program has not ended
    finished : 1, the program has ended and every unit is idle
    """

    moved: Signal
    waits: Value
    stuck: Value
    finished: Signal


def follow_progress(m: Module, config: Config, blocks: Blocks, control: PureInterface,
                    memory: PureInterface, run: RunState, clear: Signal,
                    outstanding: Outstanding) -> Progress:
    """Watch what moves; `clear` resets the blocks. Where one halts, only the memory moves."""
    sequencer, path, loader = blocks.sequencer, blocks.path, blocks.loader
    found = blocks.by_name.values()
    advanced = Signal(len(found), name="advanced")  # by which the simulation knows it
    moved, still = Signal(), Signal(7)
    m.d.sync += advanced.eq(Cat(block.advances | clear for block in found))
    waits = outstanding.any | outstanding.asking | memory.wr.valid | loader.arrive
    m.d.comb += moved.eq(advanced.any())
    with m.If(control.start | moved | waits | ~run.running):
        m.d.sync += still.eq(0)
    with m.Else():
        m.d.sync += still.eq(still + 1)
    m.d.sync += [
        control.moves.eq((moved & ~run.halting) | outstanding.events),
        control.waits.eq(loader.arrive if config.port.memory == "private" else waits)]
    idle, finished = Signal(), Signal()
    m.d.comb += [idle.eq(
        ~sequencer.fetching & ~outstanding.any
        & ~Cat(*(g.busy for g in blocks.gates.values()), loader.busy, blocks.storer.busy,
               blocks.weights.busy, path.compute_busy, path.post_busy).any())]
    m.d.sync += [finished.eq(sequencer.ended & idle),
                 sequencer.idle.eq(sequencer.drained & idle)]
    return Progress(moved, waits, (still == _STUCK_CYCLES) & ~finished, finished)


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
