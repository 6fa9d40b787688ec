"""Functions of one number, built of others: what a table of 256 entries can be made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["RISING", "Function", "X", "function"]


@dataclass(frozen=True)
class Function:
    """A function of a number x, the same for all of a map's or one for each channel.

    Members: `kind`, of which `sw.reference.functions` has the meaning; the functions `of` whose
    results it takes; its `numbers`, each one for all channels or one for each.
    """

    kind: str
    of: tuple["Function", ...] = ()
    numbers: tuple[tuple[float, ...], ...] = ()

    def after(self, inner: "Function") -> "Function":
        """This of what another gives."""
        return inner if self.kind == "x" else Function(
            self.kind, tuple(part.after(inner) for part in self.of), self.numbers)

    @cached_property
    def is_by_channel(self) -> bool:
        """Whether channels have functions of their own."""
        return any(len(x) > 1 for x in self.numbers) or any(x.is_by_channel for x in self.of)

    def chosen(self, channels: Sequence[int]) -> "Function":
        """Those of some channels, in their order."""
        return Function(self.kind, tuple(x.chosen(channels) for x in self.of), tuple(
            tuple(x[k] for k in channels) if len(x) > 1 else x for x in self.numbers))

    @cached_property
    def rises(self) -> bool:
        """Whether it is known never to fall, so that it may as well come after max pooling."""
        rule = RISING.get(self.kind)
        return rule is not None and rule(*self.numbers) and all(x.rises for x in self.of)

    @property
    def is_homogeneous(self) -> bool:
        """Whether it takes a positive factor through."""
        return self.kind == "slope" and self.of == (X,)


#: What the function is given.
X = Function("x")


def function(kind: str, *of: Function, numbers: Sequence[float | np.ndarray] = ()) -> Function:
    """A function of others; of a number for each channel one is kept if all are the same."""
    kept = []
    for number in numbers:
        several = tuple(float(n) for n in np.ravel(number))
        kept.append(several[:1] if len(set(several)) == 1 else several)
    return Function(kind, of, tuple(kept))


def _always(*numbers: tuple[float, ...]) -> bool:
    return True


def _first_positive(*numbers: tuple[float, ...]) -> bool:
    return min(numbers[0]) >= 0


#: Kind -> whether it rises in what it takes, by its numbers; others may fall.
RISING: dict[str, Callable[..., bool]] = {
    **dict.fromkeys(("x", "sum", "clamp", "sigmoid", "tanh", "softplus", "erf", "exp",
                     "round"), _always),
    **dict.fromkeys(("affine", "slope", "elu"), _first_positive),
    "threshold": lambda at, below: max(below) <= min(at),
}
