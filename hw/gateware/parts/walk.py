"""Nested loops, and sums along them."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, ShapeLike, Signal, Value, ValueLike, signed

__all__ = ["Walk"]


class Walk:
    """Nested loops, and values that advance by another amount as each of them goes on.

    Which loop goes on in a step is in registers, so that what depends on it starts early; so is
    that a loop is at its last step but one.

    Parameters
    ----------
    m : Module
    loops : list of (str, value, value or None)
        Name, steps, and steps of each later round (None for the outermost, which has none),
        innermost first. The steps are 1 or more, and there from a cycle before `load`.
    go : 1, go on by one step, or begin; at a last step, it may be both
    load : 1 with `go`, begin: only before the first step, or at a last step or after it
    cut : (count, 1: when the innermost `count` loops begin anew together, all but the first of
        their steps are left out)
    """

    def __init__(self, m: Module, loops: list, *, go: Value, load: Value,
                 cut: tuple[int, ValueLike] = (0, 0)):
        self._m, self._go = m, go
        #: 1, all are at their last steps, or no walk is under way; a register.
        self.over = Signal(init=1)
        # For each number of loops, 1: the innermost ones are all at their last steps.
        self._ends = [Const(1), *(Signal(name=f"{x[0]}_ends", init=1) for x in loops[:-1]),
                      self.over]
        # For each loop, 1: it goes on in this step, those within it begin anew; and 1: all end.
        self._goes = [*(Signal(name=f"{x[0]}_goes") for x in loops), self.over]
        coming = []  # for each loop, that it is at its last step after this one
        for k, (name, first, again) in enumerate(loops):
            # Three steps less than are left, so that the sign tells of the last but one.
            left = Signal(signed(len(first) + 1), name=f"{name}_left")
            last, single, lone, after = (Signal(name=f"{name}_{part}")
                                         for part in ("last", "single", "lone", "after"))
            m.d.sync += lone.eq(first == 1)
            anew = last if again is not None else 0
            one = single | (self.ends(cut[0]) & cut[1]) if k < cut[0] else single
            m.d.comb += after.eq(Mux(self.over, lone, Mux(anew, one, left[-1])))
            steps = Mux(self.over, first, Mux(anew, again, left) if again is not None else left)
            begins = self.over | anew
            with m.If(self._goes_on(k)):
                # less three, or less one
                m.d.sync += [last.eq(after), left.eq(
                    steps + Cat(1, ~begins, Const(-1, len(left) - 2)).as_signed())]
            with m.If(load):
                m.d.sync += single.eq(lone)
            coming.append(Mux(self.ends(k), after, last))
        # After the last step all stays as it is, until another walk begins.
        with m.If(load | (go & ~self.over)):
            for k, at_last in enumerate(coming):
                before = Cat(coming[:k]).all() if k else 1
                m.d.sync += [self._goes[k].eq(before & ~at_last),
                             self._ends[k + 1].eq(before & at_last)]

    def ends(self, count: int) -> Value:
        """1, the innermost `count` loops are all at their last steps; a register."""
        return self._ends[count]

    def _goes_on(self, loop: int) -> Value:
        """1, a step is done in which a loop goes on or begins."""
        return self._go & self.ends(loop)

    def add(self, name: str, shape: ShapeLike, terms: list, begin: Value) -> Signal:
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
        bases: dict[int, list] = {}
        amounts = []  # at most one of these is chosen
        for goes, term in zip(self._goes, [*terms, (None, begin)], strict=True):
            if term is not None:
                number, value = term
                if number is not None:
                    bases.setdefault(number, []).append(goes)
                amounts.append((goes, value))

        def chosen(choices) -> Value:
            picked = []
            for choose, value in choices:
                whole = Signal(shape, name=f"{name}_choice")
                m.d.comb += whole.eq(value)
                picked.append(whole.as_unsigned() & choose.replicate(len(whole)))
            return reduce(or_, picked)

        m.d.comb += [
            base.eq(chosen((reduce(or_, goes), registers[n]) for n, goes in bases.items())),
            amount.eq(chosen(amounts)), total.eq(base + amount)]
        for number, register in enumerate(registers):
            loop = next(k for k, t in enumerate(terms) if t and t[0] == number)
            with m.If(self._goes_on(loop)):
                m.d.sync += register.eq(total)
        return registers[0]
