"""Which error stops an instance, and where in its program it came."""

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, Value, ValueLike
from amaranth.lib.wiring import PureInterface

from hw.gateware.signatures.ports import Channel
from hw.isa import UNITS, ErrorCode, Opcode

from .blocks import Blocks
from .progress import Progress

__all__ = ["Fault", "choose_fault"]


@dataclass(frozen=True)
class Fault:
    """An error: its `code` in the cycle in which it happens; `caught`, its `layer` and `opcode` a
    cycle later, when it is acted on."""

    code: Signal
    caught: Signal
    layer: Signal
    opcode: Signal


def choose_fault(m: Module, blocks: Blocks, control: PureInterface, progress: Progress, *,
                 refusal: Value) -> Fault:
    """Choose one of the errors of a cycle, and say of which instruction it is.

    Parameters
    ----------
    refusal : of the program or the window that a start came with, an `ErrorCode`
    """
    sequencer, gates, writes, at = blocks.sequencer, blocks.gates, blocks.writes, _Instructions()
    error, number, caught = Signal(ErrorCode), Signal(4), Signal(ErrorCode)

    def happens(code: ErrorCode | Value, instruction: int) -> None:
        m.d.comb += [error.eq(code), number.eq(instruction)]

    program = at.add(Opcode.END, 0)
    with m.If(refusal != ErrorCode.NONE):
        happens(refusal, at.add(Opcode.ILLEGAL, 0))
    with m.Elif(sequencer.error != ErrorCode.NONE):
        happens(sequencer.error, at.add(sequencer.error_opcode, sequencer.error_layer))
    with m.Elif(gates[Channel.PROGRAM].outside):
        happens(ErrorCode.ADDRESS_WINDOW, program)
    for gate, op in ((gates[Channel.WEIGHTS], Opcode.WEIGHTS), (gates[Channel.LOAD], Opcode.LOAD),
                     (writes, Opcode.STORE)):
        with m.Elif(gate.outside):
            happens(ErrorCode.ADDRESS_WINDOW, at.add(op, gate.layer))
    with m.Elif(sequencer.spoilt):
        happens(ErrorCode.BUS_ERROR, program)
    faults = _unit_faults(blocks)
    units = {unit: at.add(op, fault.layer) for unit, (fault, op) in faults.items()}
    for unit, (fault, _) in faults.items():
        with m.Elif(sequencer.overflow[list(UNITS).index(unit)]):
            happens(ErrorCode.TOKEN_OVERFLOW, units[unit])
        with m.Elif(fault.code != ErrorCode.NONE):
            happens(fault.code, units[unit])
    with m.Else():
        for code, true in ((ErrorCode.STOPPED, control.stop),
                           (ErrorCode.WATCHDOG, control.watchdog),
                           (ErrorCode.TOKEN_UNDERFLOW, progress.stuck)):
            with m.If(true):
                m.d.comb += error.eq(code)
        _choose_waiting(m, blocks, progress, units, at, number)
    m.d.sync += caught.eq(error)
    return Fault(error, caught, *at.choose(m, number))


class _Instructions:
    """What an error may be of, by number: one multiplexer is enough for all. It chooses a cycle
    later, among what was there: to find an error takes most of a cycle."""

    def __init__(self) -> None:
        self._found: list[tuple[Opcode | Value, Value | int]] = []

    def add(self, opcode: Opcode | Value, layer: Value | int) -> int:
        """Another one's number."""
        self._found.append((opcode, layer))
        return len(self._found) - 1

    def choose(self, m: Module, number: Signal) -> tuple[Signal, Signal]:
        """Layer and opcode of one of the cycle before."""
        layer, opcode, chosen = Signal(11), Signal(4), Signal.like(number)
        m.d.sync += chosen.eq(number)
        found = [[_before(m, value) for value in pair] for pair in self._found]
        with m.Switch(chosen):
            for k, (its_opcode, its_layer) in enumerate(found):
                with m.Case(k):
                    m.d.comb += [opcode.eq(its_opcode), layer.eq(its_layer)]
        return layer, opcode


def _before(m: Module, value: ValueLike) -> Value:
    """A value as it was in the cycle before."""
    now = Value.cast(value)
    if isinstance(now, Const):
        return now
    before = Signal(len(now))
    m.d.sync += before.eq(now)
    return before


def _unit_faults(blocks: Blocks) -> dict[str, tuple[PureInterface, Opcode | Value]]:
    """Unit -> its `UnitFault`, and the opcode that it is of."""
    load = Mux(blocks.loader.meets, Opcode.BARRIER, Opcode.LOAD)
    return {"load": (blocks.loader.fault, load), "store": (blocks.storer.fault, Opcode.STORE),
            "weights": (blocks.weights.fault, Opcode.WEIGHTS),
            "compute": (blocks.path.fault_compute, Opcode.COMPUTE),
            "post": (blocks.path.fault_post, Opcode.POST)}


def _choose_waiting(m: Module, blocks: Blocks, progress: Progress, units: dict[str, int],
                    at: _Instructions, number: Signal) -> None:
    """Choose one of the instructions that an instance is at: one that waits for the memory or for
    others, or else the first, as data flows, that waits for a token, weights or another unit."""
    sequencer, loader, path = blocks.sequencer, blocks.loader, blocks.path
    heads = {}
    for n, (unit, op) in enumerate(UNITS.items()):
        opcode = Mux(sequencer.o_barrier, Opcode.BARRIER, op) if unit == "load" else op
        layer = getattr(sequencer, f"o_{unit}").payload.layer
        heads[unit] = sequencer.waiting[n], at.add(opcode, layer)
    choice = m.If
    for waits, instruction in (
            (loader.busy, units["load"]), (blocks.storer.busy, units["store"]),
            (blocks.weights.busy & progress.waits, units["weights"]),
            (path.compute_busy, units["compute"]), heads["compute"], heads["load"],
            (path.post_waits, units["post"]), heads["post"], heads["store"],
            (blocks.weights.busy, units["weights"]), heads["weights"]):
        with choice(waits):
            m.d.comb += number.eq(instruction)
        choice = m.Elif
