"""Which error stops an instance, and where in its program it came."""

from collections.abc import Iterator
from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike
from amaranth.lib.wiring import PureInterface

from hw.gateware.signatures.ports import Channel
from hw.isa import UNITS, ErrorCode, Opcode

from .blocks import Blocks
from .progress import Progress

__all__ = ["Fault", "choose_fault"]


@dataclass(frozen=True)
class Fault:
    """An error: it `happens`; `caught`, its code, and its `layer` and `opcode` are there a cycle
    later, when it is acted on."""

    happens: Signal
    caught: Signal
    layer: Signal
    opcode: Signal


@dataclass(frozen=True)
class _Error:
    """What `happens`; a cycle later, its `code`, and the number of its `instruction`."""

    happens: Value
    code: ValueLike
    instruction: int


def choose_fault(m: Module, blocks: Blocks, control: PureInterface, progress: Progress, *,
                 refusal: Value) -> Fault:
    """Choose one of the errors of a cycle, and say of which instruction it is.

    What happens is kept in registers, and chosen from in the next cycle: to find an error takes a
    good part of one. Codes, opcodes and layers are clocked where there is an error alone.

    Parameters
    ----------
    refusal : of the program or the window that a start came with, an `ErrorCode`
    """
    at = _Instructions()
    number, waiting = Signal(5), Signal(5)
    fault = Fault(Signal(), Signal(ErrorCode), Signal(11), Signal(4))
    errors = list(_errors(m, blocks, at, refusal))
    ends = [(control.stop, ErrorCode.STOPPED), (control.watchdog, ErrorCode.WATCHDOG),
            (progress.stuck, ErrorCode.TOKEN_UNDERFLOW)]
    happened = [_before(m, error.happens) for error in errors]
    ended = [_before(m, happens) for happens, _ in ends]
    m.d.comb += fault.happens.eq(Cat(
        *(error.happens for error in errors), *(happens for happens, _ in ends)).any())
    _choose_waiting(m, blocks, progress, at, waiting)
    m.d.comb += number.eq(_before(m, waiting))
    for end, (_, code) in zip(ended, ends, strict=True):
        with m.If(end):
            m.d.comb += fault.caught.eq(code)
    choice = m.If
    for happens, error in zip(happened, errors, strict=True):
        with choice(happens):
            m.d.comb += [fault.caught.eq(error.code), number.eq(error.instruction)]
        choice = m.Elif
    at.choose(m, number, fault)
    return fault


class _Instructions:
    """What an error may be of, by number: one multiplexer is enough for all."""

    def __init__(self) -> None:
        self._found: list[tuple[ValueLike, ValueLike]] = []

    def add(self, opcode: ValueLike, layer: ValueLike) -> int:
        """Another one's number."""
        self._found.append((opcode, layer))
        return len(self._found) - 1

    def choose(self, m: Module, number: Signal, fault: Fault) -> None:
        """Give opcode and layer of one."""
        assert len(self._found) <= 1 << len(number)
        with m.Switch(number):
            for k, (opcode, layer) in enumerate(self._found):
                with m.Case(k):
                    m.d.comb += [fault.opcode.eq(opcode), fault.layer.eq(layer)]


def _before(m: Module, value: ValueLike, when: ValueLike = 1) -> Signal:
    """A value as it was in the cycle before; in the last in which something was so."""
    now = Value.cast(value)
    before = Signal(len(now))
    with m.If(when):
        m.d.sync += before.eq(now)
    return before


def _errors(m: Module, blocks: Blocks, at: _Instructions, refusal: Value) -> Iterator[_Error]:
    """What may go wrong, the first before those after it."""
    sequencer, gates, writes = blocks.sequencer, blocks.gates, blocks.writes
    program = at.add(Opcode.END, 0)
    happens = refusal != ErrorCode.NONE
    yield _Error(happens, _before(m, refusal, happens), at.add(Opcode.ILLEGAL, 0))
    happens = sequencer.error != ErrorCode.NONE
    yield _Error(happens, _before(m, sequencer.error, happens), at.add(
        _before(m, sequencer.error_opcode, happens), _before(m, sequencer.error_layer, happens)))
    yield _Error(gates[Channel.PROGRAM].outside, ErrorCode.ADDRESS_WINDOW, program)
    for gate, op in ((gates[Channel.WEIGHTS], Opcode.WEIGHTS), (gates[Channel.LOAD], Opcode.LOAD),
                     (writes, Opcode.STORE)):  # which hold what is outside
        yield _Error(gate.outside, ErrorCode.ADDRESS_WINDOW, at.add(op, gate.layer))
    yield _Error(sequencer.spoilt, ErrorCode.BUS_ERROR, program)
    for unit, (fault, op) in _unit_faults(blocks).items():
        overflow = sequencer.overflow[list(UNITS).index(unit)]
        happens = fault.code != ErrorCode.NONE
        instruction = at.add(_before(m, op, overflow | happens) if isinstance(op, Value) else op,
                             _before(m, fault.layer, overflow | happens))
        yield _Error(overflow, ErrorCode.TOKEN_OVERFLOW, instruction)
        yield _Error(happens, _before(m, fault.code, happens), instruction)


def _unit_faults(blocks: Blocks) -> dict[str, tuple[PureInterface, Opcode | Value]]:
    """Unit -> its `UnitFault`, and the opcode that it is of."""
    load = Mux(blocks.loader.meets, Opcode.BARRIER, Opcode.LOAD)
    return {"load": (blocks.loader.fault, load), "store": (blocks.storer.fault, Opcode.STORE),
            "weights": (blocks.weights.fault, Opcode.WEIGHTS),
            "compute": (blocks.path.fault_compute, Opcode.COMPUTE),
            "post": (blocks.path.fault_post, Opcode.POST)}


def _choose_waiting(m: Module, blocks: Blocks, progress: Progress, at: _Instructions,
                    number: Signal) -> None:
    """Choose one of the instructions that an instance is at: one that waits for the memory or for
    others, or else the first, as data flows, that waits for a token, weights or another unit."""
    sequencer, loader, path = blocks.sequencer, blocks.loader, blocks.path
    units = {unit: at.add(op, fault.layer) for unit, (fault, op) in _unit_faults(blocks).items()}
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
