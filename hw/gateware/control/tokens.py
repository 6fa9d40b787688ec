"""The token bank: counting semaphores that order an instance's units."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa import Token

__all__ = ["TokenBank"]

_COUNT_BITS = 8


class TokenBank(wiring.Component):
    """Count tokens given and taken; a token has one unit that gives it and one that takes it.

    Members
    -------
    give : mask of tokens given in this cycle
    take : mask of tokens taken in this cycle
    there : mask of tokens that may be taken
    overflow : mask of tokens that are given for the 256th time in this cycle
    advances : 1, a token is given or taken

    Timing
    ------
    A token can be taken `LATENCY` cycles after it was given, and of those that are left of its
    kind the next one two cycles after one was taken.

    Resources
    ---------
    A counter of 8 bits for each of `Token`.
    """

    #: Cycles from a token's giving to when it can be taken.
    LATENCY = 2

    give: Signal
    take: Signal
    there: Signal
    overflow: Signal
    advances: Signal

    def __init__(self):
        tokens = len(Token)
        super().__init__({"give": In(tokens), "take": In(tokens), "there": Out(tokens),
                          "overflow": Out(tokens), "advances": Out(1)})

    def elaborate(self, platform):
        m = Module()
        tokens = len(Token)
        left = Signal(tokens)
        # Given and taken tokens are counted a cycle later; meanwhile no more of them are taken.
        given, taken = Signal(tokens), Signal(tokens)
        with m.If(Cat(given, self.give).any()):  # nothing is clocked while nothing happens
            m.d.sync += given.eq(self.give)
        m.d.sync += taken.eq(self.take)
        m.d.comb += self.there.eq(left & ~taken)
        for t, token in enumerate(Token):
            count = Signal(_COUNT_BITS, name=f"count_{token.name.lower()}")
            after = Signal(_COUNT_BITS, name=f"after_{t}")
            m.d.comb += [after.eq(count + given[t] - taken[t]),
                         self.overflow[t].eq(self.give[t] & ~self.take[t] & after.all())]
            with m.If(given[t] | taken[t]):
                m.d.sync += [count.eq(after), left[t].eq(after.any())]
        m.d.comb += self.advances.eq(Cat(self.give, self.take).any())
        return m
