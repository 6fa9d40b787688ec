"""What functions of one number give, in torch."""

from collections.abc import Callable

import torch
from torch.nn import functional

from sw.graph.function import Function

__all__ = ["FUNCTIONS", "apply"]

_Tensor = torch.Tensor


def apply(function: Function, x: torch.Tensor) -> torch.Tensor:
    """Return a function of each number of [N, C, ...]."""
    if function.kind == "x":
        return x
    column = (-1,) + (1,) * (x.ndim - 2)
    numbers = [torch.tensor(n, dtype=torch.float64).to(x).reshape(column)
               for n in function.numbers]
    return FUNCTIONS[function.kind](*(apply(part, x) for part in function.of), *numbers)


def _round(x: _Tensor, scale: _Tensor, zero: _Tensor, low: _Tensor, high: _Tensor) -> _Tensor:
    return ((torch.round(x / scale) + zero).clamp(low, high) - zero) * scale


#: Kind -> its meaning, of what it takes and its numbers.
FUNCTIONS: dict[str, Callable[..., _Tensor]] = {
    "affine": lambda x, scale, offset: x * scale + offset,
    "clamp": lambda x, low, high: x.clamp(low, high),
    "sum": lambda x, y: x + y,
    "product": lambda x, y: x * y,
    "slope": lambda x, slope: torch.where(x >= 0, x, x * slope),
    "elu": lambda x, alpha, by: torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0) * by)),
    "threshold": lambda x, at, below: torch.where(x > at, x, below),
    "shrink": lambda x, by: torch.where(x.abs() > by, x, 0.0),
    "power": lambda x, by: x ** by,
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "erf": torch.erf, "exp": torch.exp,
    "log": torch.log, "abs": torch.abs, "sin": torch.sin, "cos": torch.cos,
    "softplus": functional.softplus,
    "round": _round,
}
