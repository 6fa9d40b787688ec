"""Which error stops an instance, and where in its program it came."""

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value
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
                 spoilt: Value, refusal: Value) -> Fault:
    """Choose one of the errors of a cycle, and say of which instruction it is.

    Parameters
    ----------
    spoilt : 1, a beat of the program came with an error
    refusal : of the program or the window that a start came with, an `ErrorCode`
    """
    sequencer, gates, writes = blocks.sequencer, blocks.gates, blocks.writes
    error, layer, opcode = Signal(ErrorCode), Signal(11), Signal(4)
    caught, caught_layer, caught_opcode = Signal(ErrorCode), Signal(11), Signal(4)
    m.d.sync += [caught.eq(error), caught_layer.eq(layer), caught_opcode.eq(opcode)]

    def happens(code: ErrorCode | Value, of: Opcode | Value, its_layer: Value | int) -> None:
        m.d.comb += [error.eq(code), opcode.eq(of), layer.eq(its_layer)]

    faults = _unit_faults(blocks)
    with m.If(refusal != ErrorCode.NONE):
        happens(refusal, Opcode.ILLEGAL, 0)
    with m.Elif(sequencer.error != ErrorCode.NONE):
        happens(sequencer.error, sequencer.error_opcode, sequencer.error_layer)
    for kind, op in ((Channel.PROGRAM, Opcode.END), (Channel.WEIGHTS, Opcode.WEIGHTS),
                     (Channel.LOAD, Opcode.LOAD)):
        with m.Elif(gates[kind].outside):
            happens(ErrorCode.ADDRESS_WINDOW, op, gates[kind].layer)
    with m.Elif(writes.outside):
        happens(ErrorCode.ADDRESS_WINDOW, Opcode.STORE, writes.layer)
    with m.Elif(spoilt):
        happens(ErrorCode.BUS_ERROR, Opcode.END, 0)
    for unit, (fault, op) in faults.items():
        with m.Elif(sequencer.overflow[list(UNITS).index(unit)]):
            happens(ErrorCode.TOKEN_OVERFLOW, op, fault.layer)
        with m.Elif(fault.code != ErrorCode.NONE):
            happens(fault.code, op, fault.layer)
    with m.Else():
        for code, true in ((ErrorCode.STOPPED, control.stop),
                           (ErrorCode.WATCHDOG, control.watchdog),
                           (ErrorCode.TOKEN_UNDERFLOW, progress.stuck)):
            with m.If(true):
                m.d.comb += error.eq(code)
        of, its_layer = _waiting(m, blocks, faults, progress)
        m.d.comb += [opcode.eq(of), layer.eq(its_layer)]
    return Fault(error, caught, caught_layer, caught_opcode)


def _unit_faults(blocks: Blocks) -> dict[str, tuple[PureInterface, Opcode | Value]]:
    """Unit -> its `UnitFault`, and the opcode that it is of."""
    load = Mux(blocks.loader.meets, Opcode.BARRIER, Opcode.LOAD)
    return {"load": (blocks.loader.fault, load), "store": (blocks.storer.fault, Opcode.STORE),
            "weights": (blocks.weights.fault, Opcode.WEIGHTS),
            "compute": (blocks.path.fault_compute, Opcode.COMPUTE),
            "post": (blocks.path.fault_post, Opcode.POST)}


def _waiting(m: Module, blocks: Blocks, faults: dict[str, tuple[PureInterface, Opcode | Value]],
             progress: Progress) -> tuple[Signal, Signal]:
    """Choose one of the instructions that an instance is at: one that waits for the memory or for
    others, or else the first, as data flows, that waits for a token, weights or another unit.
    Returns its opcode and its layer."""
    sequencer, loader, path = blocks.sequencer, blocks.loader, blocks.path
    opcode, layer = Signal(4, init=Opcode.END), Signal(11)
    heads = {u: (sequencer.waiting[n], getattr(sequencer, f"o_{u}").payload.layer)
             for n, u in enumerate(UNITS)}
    candidates = [("load", loader.busy), ("store", blocks.storer.busy),
                  ("weights", blocks.weights.busy & progress.waits),
                  ("compute", path.compute_busy), ("compute", None), ("load", None),
                  ("post", path.post_waits), ("post", None), ("store", None),
                  ("weights", blocks.weights.busy), ("weights", None)]
    choice = m.If
    for unit, busy in candidates:
        fault, op = faults[unit]
        waits, its_layer = heads[unit] if busy is None else (busy, fault.layer)
        if unit == "load" and busy is None:
            op = Mux(sequencer.o_barrier, Opcode.BARRIER, Opcode.LOAD)
        with choice(waits):
            m.d.comb += [opcode.eq(op), layer.eq(its_layer)]
        choice = m.Elif
    return opcode, layer
