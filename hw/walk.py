"""Nested loops, and sums along them."""

from amaranth.hdl import Cat, Module, Mux, Signal

__all__ = ["Walk"]


class Walk:
    """Nested loops, and values that advance by another amount as each of them goes on.

    Which loop goes on in a step is in registers, so that what depends on it starts early.

    Parameters
    ----------
    m : Module
    loops : list of (str, value, value or None)
        Name, steps, and steps of each later round (None for the outermost, which has none),
        innermost first. The steps are 1 or more, and there while `loading`.
    step : 1, go on by one step
    load : 1, begin
    loading : 1 at `load`, 0 at any other step; it comes early
    cut : (count, 1: when the innermost `count` loops begin anew together, all but the first of
        their steps are left out)
    """

    def __init__(self, m: Module, loops: list, *, step, load, loading, cut=(0, 0)):
        self._m, self._step, self._load, self._loading = m, step, load, loading
        #: For each loop, 1: it goes on in this step, those within it begin anew; and 1: all end.
        self._goes = [Signal(name=f"{name}_goes") for name in (*(x[0] for x in loops), "end")]
        coming = []  # for each loop, that it is at its last step after this one
        for k, (name, first, again) in enumerate(loops):
            left, last, single, after = (Signal(shape, name=f"{name}_{part}") for part, shape in (
                ("left", len(first)), ("last", 1), ("single", 1), ("after", 1)))
            anew = last if again is not None else 0
            one = single | (self.ends(cut[0]) & cut[1]) if k < cut[0] else single
            m.d.comb += after.eq(Mux(loading, first == 1, Mux(anew, one, left == 2)))
            with m.If(self._goes_on(k)):
                m.d.sync += [last.eq(after), left.eq(
                    Mux(loading, first, Mux(anew, again, left - 1) if again is not None
                        else left - 1))]
            with m.If(load):
                m.d.sync += single.eq(first == 1)
            coming.append(Mux(loading | self.ends(k), after, last))
        with m.If(step | load):
            for k, goes in enumerate(self._goes):
                at_last = Cat(coming[:k]).all() if k else 1
                m.d.sync += goes.eq(at_last & ~coming[k] if k < len(loops) else at_last)

    def ends(self, count: int):
        """1, the innermost `count` loops are all at their last steps."""
        return ~Cat(self._goes[:count]).any() if count < len(self._goes) - 1 else self._goes[-1]

    def _goes_on(self, loop: int):
        """1, a step is done in which a loop goes on or begins."""
        return self._load | (self._step & self.ends(loop))

    def add(self, name: str, shape, terms: list, begin) -> Signal:
        """Add a value and return it; it takes one adder.

        Parameters
        ----------
        terms : list of (int or None, value)
            For each loop, innermost first, what the value becomes when that loop goes on. It is
            the amount added to a register that was last set by the first loop that names its
            number, or by an outer one; or the amount alone. A None in place of the whole term
            leaves the value as it is.
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
        for goes, term in zip(self._goes, terms, strict=False):
            with m.Elif(goes):
                if term is not None:
                    number, value = term
                    m.d.comb += [base.eq(0 if number is None else registers[number]),
                                 amount.eq(value)]
        for number, register in enumerate(registers):
            loop = next(k for k, t in enumerate(terms) if t and t[0] == number)
            with m.If(self._goes_on(loop)):
                m.d.sync += register.eq(total)
        return registers[0]
