"""A counter that knows beforehand that it is at its last step."""

from amaranth.hdl import Module, Signal, Value

__all__ = ["Countdown"]


class Countdown:
    """Count `n` steps; `last` is a register, so that what depends on it starts early.

    Parameters
    ----------
    m : Module
    name : str
    like : value as wide as the largest number of steps
    """

    def __init__(self, m: Module, name: str, like: Value):
        self._m = m
        self._left = Signal(len(like), name=f"{name}_left")
        self._single = Signal(name=f"{name}_single")
        #: 1, the step under way is the last of the `n`.
        self.last = Signal(name=f"{name}_last")

    def load(self, n: Value) -> None:
        """At the next edge, begin to count n steps, 1 or more."""
        self._m.d.sync += [self._left.eq(n), self.last.eq(n == 1), self._single.eq(n == 1)]

    def again(self, n: Value) -> None:
        """At the next edge, begin to count the same number of steps as at the last `load`."""
        self._m.d.sync += [self._left.eq(n), self.last.eq(self._single)]

    def step(self) -> None:
        """At the next edge, a step is done that was not the last."""
        self._m.d.sync += [self._left.eq(self._left - 1), self.last.eq(self._left == 2)]
