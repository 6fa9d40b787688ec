"""Shifts and products of the microcoded core, a bit in each cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.parts.arith import MULT_BITS, PRODUCT_BITS, SHIFT_BITS

__all__ = ["Product"]


class Product(wiring.Component):
    """A register from which bits are taken, and in which products come about.

    Members
    -------
    a : the accumulator
    load, word : pulse, take a word; bits can be taken from it
    take : pulse, go on to the next bit
    bit : the lowest
    factor, shift : of products
    run : multiply, until `done`; `scales`, and shift right
    number : 32 bits of the product
    scaled : what is left of it, rounded a half up, at the nearest end of 16 bits if it is beyond

    Timing
    ------
    A product takes `LATENCY` cycles, one that is scaled `shift` more.

    Resources
    ---------
    An adder of 34 bits, a shift register of `PRODUCT_BITS` + 1.
    """

    #: Cycles from `run` to `done`.
    LATENCY = MULT_BITS + 1

    a: Signal
    load: Signal
    word: Signal
    take: Signal
    bit: Signal
    factor: Signal
    shift: Signal
    run: Signal
    scales: Signal
    done: Signal
    number: Signal
    scaled: Signal

    def __init__(self):
        super().__init__({
            "a": In(signed(33)), "load": In(1), "word": In(32), "take": In(1), "bit": Out(1),
            "factor": In(MULT_BITS), "shift": In(SHIFT_BITS), "run": In(1), "scales": In(1),
            "done": Out(1), "number": Out(signed(32)), "scaled": Out(signed(17)),
        })

    def elaborate(self, platform):
        m = Module()
        bits, half = Signal(signed(PRODUCT_BITS + 1)), Signal()
        begun, step = Signal(), Signal(SHIFT_BITS + 1)
        rounds = Signal.like(step)
        total = Signal(signed(34))
        m.d.comb += [
            rounds.eq(MULT_BITS + Mux(self.scales, self.shift, 0)),
            total.eq(bits[MULT_BITS:].as_signed() + Mux(bits[0], self.a, 0)),
            self.bit.eq(bits[0]), self.done.eq(begun & (step == rounds)),
            self.number.eq(bits),
        ]
        with m.If(self.load):
            m.d.sync += bits.eq(self.word)
        with m.Elif(self.take):
            m.d.sync += bits.eq(bits >> 1)
        with m.Elif(self.done):
            m.d.sync += begun.eq(0)
        with m.Elif(self.run & ~begun):
            m.d.sync += [begun.eq(1), step.eq(0), bits.eq(self.factor), half.eq(0)]
        with m.Elif(self.run):
            m.d.sync += step.eq(step + 1)
            with m.If(step < MULT_BITS):
                m.d.sync += bits.eq(Cat(bits[1:MULT_BITS], total).as_signed())
            with m.Else():
                m.d.sync += [bits.eq(bits >> 1), half.eq(bits[0])]
        beyond = bits[15:]
        fits = beyond.all() | ~beyond.any()
        limit = Cat((~bits[-1]).replicate(15), bits[-1])
        m.d.comb += self.scaled.eq(Mux(fits, bits[:16], limit).as_signed() + half)
        return m
