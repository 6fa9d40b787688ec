"""Which error stops an instance, and where in its program it came."""

from dataclasses import dataclass

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import PureInterface

from hw.gateware.signatures.ports import Channel
from hw.isa import ErrorCode, Opcode

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
                 refused: Signal, refusal: Value) -> Fault:
    """Choose one of the errors of a cycle, and say of which instruction it is.

    Parameters
    ----------
    refused : 1, the memory answered with an error
    refusal : of the program or the window that a start came with, an `ErrorCode`
    """
    sequencer, gates, writes = blocks.sequencer, blocks.gates, blocks.writes
    error, layer, opcode = Signal(ErrorCode), Signal(11), Signal(4)
    caught, caught_layer, caught_opcode = Signal(ErrorCode), Signal(11), Signal(4)
    m.d.sync += [caught.eq(error), caught_layer.eq(layer), caught_opcode.eq(opcode)]
    m.d.comb += [layer.eq(_last_layer(m, blocks, control)), opcode.eq(0)]
    with m.If(sequencer.error != ErrorCode.NONE):
        m.d.comb += error.eq(sequencer.error)
        with m.If(sequencer.error != ErrorCode.TOKEN_OVERFLOW):
            m.d.comb += [layer.eq(sequencer.error_layer), opcode.eq(sequencer.error_opcode)]
    for kind, op in ((Channel.PROGRAM, Opcode.END), (Channel.WEIGHTS, Opcode.WEIGHTS),
                     (Channel.LOAD, Opcode.LOAD)):
        with m.Elif(gates[kind].outside):
            m.d.comb += [error.eq(ErrorCode.ADDRESS_WINDOW), layer.eq(gates[kind].layer),
                         opcode.eq(op)]
    with m.Elif(writes.outside):
        m.d.comb += [error.eq(ErrorCode.ADDRESS_WINDOW), layer.eq(writes.layer),
                     opcode.eq(Opcode.STORE)]
    path = blocks.path
    for bad, its_layer, op in ((path.bad_compute, path.bad_compute_layer, Opcode.COMPUTE),
                               (path.bad_post, path.bad_post_layer, Opcode.POST)):
        with m.Elif(bad):
            m.d.comb += [error.eq(ErrorCode.BAD_FIELD), layer.eq(its_layer), opcode.eq(op)]
    for code, happens in ((ErrorCode.BUS_ERROR, refused),
                          (ErrorCode.ACT_RANGE, blocks.acts.range_error),
                          (ErrorCode.TOKEN_UNDERFLOW, progress.stuck),
                          (ErrorCode.WATCHDOG, control.watchdog & ~progress.moved_lately),
                          (ErrorCode.STOPPED, control.stop)):
        with m.Elif(happens):
            m.d.comb += error.eq(code)
    with m.Else():
        m.d.comb += error.eq(refusal)
    return Fault(error, caught, caught_layer, caught_opcode)


def _last_layer(m: Module, blocks: Blocks, control: PureInterface) -> Signal:
    """Layer of the instruction that a unit took last."""
    sequencer = blocks.sequencer
    last_layer = Signal(11)
    with m.If(control.start):
        m.d.sync += last_layer.eq(0)
    for out in (sequencer.o_load, sequencer.o_store, sequencer.o_compute, sequencer.o_post):
        with m.If(out.valid & out.ready):
            m.d.sync += last_layer.eq(out.payload.layer)
    return last_layer
