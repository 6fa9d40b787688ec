"""torch's functions of one number, by their names in ATen."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sw.graph.function import Function, X, function
from sw.ir.activations import ACTIVATIONS, affine, clamp, elu, power, softplus
from sw.ir.graph import Value
from sw.ir.operators import Pointwise

from .call import Call

__all__ = ["FUNCTIONS", "applied"]


def applied(call: Call, found: Function, x: Value | None = None) -> Value:
    """A function of the first argument, or of another value."""
    return call.add(Pointwise(found), call.x if x is None else x)


def _named(name: str) -> Callable[[Call], Value]:
    return lambda call: applied(call, ACTIVATIONS[name])


def _slope(call: Call, slope: Any) -> Value:
    return applied(call, function("slope", X, numbers=(slope,)))


def _prelu(call: Call) -> Value:
    slopes = call.stored("weight")
    assert slopes is not None
    if slopes.size not in (1, call.x.shape[0]):
        call.refuse(f"has {slopes.size} slopes for {call.x.shape[0]} channels; one for each, or "
                    "for all, runs")
    if not np.isfinite(slopes).all():
        call.refuse("its slopes hold NaN or infinity; train or load it anew")
    return _slope(call, slopes)


def _rrelu(call: Call) -> Value:
    if call["training"]:
        call.refuse("draws its slopes in evaluation, too; pass training=self.training")
    return _slope(call, (call["lower"] + call["upper"]) / 2)


def _elu(call: Call) -> Value:
    """alpha, scale and input_scale; of celu alpha alone."""
    alpha = float(call["alpha"])
    by = 1 / alpha if call.kind.startswith("celu") else float(call["input_scale"])
    found = elu(alpha, by)
    scale = call["scale"]
    return applied(call, found if scale in (None, 1) else affine(found, float(scale)))


def _power(call: Call) -> Value:
    by = call["exponent"]
    if not isinstance(by, int | float):
        call.refuse(f"operator {call.kind} runs with a number as exponent only")
    return applied(call, power(X, float(by)))


def _soft_shrink(call: Call) -> Value:
    by = float(call["lambd"])
    return applied(call, function("sum", X, affine(clamp(X, -by, by), -1.0)))


#: Name -> what it adds.
FUNCTIONS: dict[str, Callable[[Call], Value]] = {
    **{name: _named(name) for name in (
        "sigmoid", "tanh", "silu", "mish", "selu", "erf", "exp", "log", "abs", "sin", "cos", "sqrt",
        "rsqrt", "reciprocal", "square", "log_sigmoid")},
    "hardsigmoid": _named("hard_sigmoid"), "hardswish": _named("hard_swish"),
    "gelu": lambda call: applied(call, ACTIVATIONS[
        "gelu_tanh" if call["approximate"] == "tanh" else "gelu"]),
    "leaky_relu": lambda call: _slope(call, call["negative_slope"]),
    "prelu": _prelu, "rrelu": _rrelu, "elu": _elu, "celu": _elu, "pow": _power,
    "softplus": lambda call: applied(call, softplus(float(call["beta"]))),
    "hardshrink": lambda call: applied(call, function("shrink", X,
                                                      numbers=(float(call["lambd"]),))),
    "softshrink": _soft_shrink,
}
