"""Room that is taken before something is asked for, and given back when it has left."""

from amaranth.hdl import Module, Mux, Signal, Value

__all__ = ["Credits"]


class Credits:
    """Count credits; that some are left is a register, so that what depends on it starts early.

    Parameters
    ----------
    m : Module
    total : int
        Credits at the beginning.
    take, give : 1, one is taken, only where there are `some`; one is given back
    """

    def __init__(self, m: Module, total: int, *, take: Value, give: Value):
        left = Signal(range(total + 1), name="credit", init=total)
        #: 1, one or more can be taken.
        self.some = Signal(name="credit_left", init=1)
        #: 1, not all have been given back.
        self.out = left != total
        with m.If(take ^ give):
            m.d.sync += left.eq(Mux(give, left + 1, left - 1))
        with m.If(give):
            m.d.sync += self.some.eq(1)
        with m.Elif(take):
            m.d.sync += self.some.eq(left != 1)
