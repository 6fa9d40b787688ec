"""Sums along nested loops."""

from amaranth.hdl import Cat, Const, Module, Signal

__all__ = ["Walk"]


class Walk:
    """Values that advance by another amount at the end of each of some nested loops.

    Parameters
    ----------
    m : Module
    lasts : list of values
        Each loop, innermost first, is at its last step.
    step : 1, go on by one step
    load : 1, begin; what the values begin with is there while `loading`, which comes early
    """

    def __init__(self, m: Module, lasts: list, *, step, load, loading):
        self._m, self._lasts = m, lasts
        self._step, self._load, self._loading = step, load, loading

    def add(self, name: str, shape, terms: list, begin) -> Signal:
        """Add a value and return it; it takes one adder.

        Parameters
        ----------
        terms : list of (int or None, value)
            For each loop, innermost first, and one for the end of all: what the value becomes
            when that loop goes on. It is the amount added to a register that was last set by
            the first loop that names its number, or by an outer one; or the amount alone. A
            None in place of the whole term leaves the value as it is.
        begin : the value at the beginning
        """
        m = self._m
        numbers = sorted({t[0] for t in terms if t and t[0] is not None})
        registers = [Signal(shape, name=f"{name}_{n}" if n else name) for n in numbers]
        base, amount, total = (Signal(shape, name=f"{name}_{part}")
                               for part in ("base", "amount", "next"))
        m.d.comb += total.eq(base + amount)
        with m.If(self._loading):
            m.d.comb += amount.eq(begin)
        for last, term in zip([*self._lasts, Const(0)], terms, strict=True):
            with m.Elif(~last):
                if term is not None:
                    number, value = term
                    m.d.comb += [base.eq(0 if number is None else registers[number]),
                                 amount.eq(value)]
        for number, register in enumerate(registers):
            loop = next(k for k, t in enumerate(terms) if t and t[0] == number)
            with m.If(self._load | (self._step & Cat(self._lasts[:loop]).all())):
                m.d.sync += register.eq(total)
        return registers[0]
