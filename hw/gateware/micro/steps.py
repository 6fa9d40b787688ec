"""Micro-instructions, one after the other: from the microprogram to what each does."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import memory

from hw.config import Config, ceil_log2

from .machine import FILE_SLOT, IMMEDIATE_BITS, VARIABLE_SLOTS, Op, Put
from .writer import slots

__all__ = ["MicroStep", "run_steps"]


@dataclass(frozen=True)
class MicroStep:
    """The micro-instruction that is executed.

    Members
    -------
    executing : 1, there is one; `ends`, it is its last cycle
    word : the instruction: `op`, and `immediate` or `which` as its operand
    number : the operand of operations on words
    a, result : the accumulator, and what it becomes
    jumps : 1, it goes to `target`: what was read meanwhile is left
    """

    executing: Signal
    ends: Signal
    word: Signal
    number: Signal
    a: Signal
    result: Signal
    jumps: Signal
    target: Signal

    @property
    def op(self) -> Value:
        """Which `Op` it is."""
        return self.word[IMMEDIATE_BITS + 1:]

    @property
    def immediate(self) -> Value:
        """The operand as a number."""
        return self.word[:IMMEDIATE_BITS].as_signed()

    @property
    def which(self) -> Value:
        """The operand as one of `Get` or `Put`, or as a number of shifts."""
        return self.word[:6]

    def does(self, op: Op) -> Value:
        """1, this is done."""
        return self.executing & (self.op == op)

    def puts(self, *which_ones: Put) -> Value:
        """1, the accumulator is put to one of these."""
        which = self.which
        return self.does(Op.PUT) & Cat(which == p for p in which_ones).any()


def run_steps(m: Module, config: Config, code: memory.Memory, file: memory.Memory,
              start: Signal, working: Signal) -> MicroStep:
    """Fetch from the microprogram while `working`: while one is executed, the next one's operand
    is read, and the one after that. What a step does to `ends`, `result`, `jumps` and `target` is
    for others to say.

    Parameters
    ----------
    code, file : the microprogram and the register file
    start : pulse, begin
    """
    fetch, operand, keep = code.read_port(), file.read_port(), file.write_port()
    word, jumps = Signal(16), Signal()
    following, target = Signal(len(fetch.addr)), Signal(len(fetch.addr))
    slot, slot_now = Signal(range(slots(config))), Signal(range(slots(config)))
    place, coming = Signal(len(keep.addr)), Signal(len(keep.addr))
    stored = Signal()  # the operand was written as it was read: it is the accumulator still
    number = Signal(signed(32))
    wide = signed(33)  # enough for a difference's sign
    step = MicroStep(executing=Signal(), ends=Signal(), word=word, number=number, a=Signal(wide),
                result=Signal(wide), jumps=jumps, target=target)
    executing, a = step.executing, step.a
    goes_on = ~executing | step.ends
    m.d.comb += [
        slot_now.eq(Mux(step.puts(Put.SLOT), a, slot)),
        coming.eq(Mux(fetch.data[IMMEDIATE_BITS],
                      Cat(fetch.data[:ceil_log2(FILE_SLOT)], slot_now),
                      fetch.data[:ceil_log2(FILE_SLOT * VARIABLE_SLOTS)])),
        fetch.addr.eq(Mux(jumps, target, following)), fetch.en.eq(start | goes_on),
        operand.addr.eq(coming), operand.en.eq(goes_on),
        number.eq(Mux(stored, a, operand.data)),
        keep.addr.eq(place), keep.data.eq(a), keep.en.eq(step.does(Op.STORE)),
    ]
    m.d.sync += slot.eq(slot_now)
    with m.If(start | goes_on):
        m.d.sync += [
            following.eq(fetch.addr + 1), word.eq(fetch.data), place.eq(coming),
            stored.eq(keep.en & (coming == place)),
            executing.eq(working & ~jumps & ~step.puts(Put.READY))]
    with m.If(executing):
        m.d.sync += a.eq(step.result)
    return step
