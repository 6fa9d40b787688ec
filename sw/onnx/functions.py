"""ONNX's functions of one number, by their names."""

from collections.abc import Callable

import numpy as np

from sw.graph.function import Function, X, function
from sw.ir.activations import ACTIVATIONS, affine, clamp, elu, power
from sw.ir.graph import Value
from sw.ir.operators import Pointwise

from .call import Call, Found

__all__ = ["FUNCTIONS", "applied"]


def applied(call: Call, found: Function, x: Value | None = None) -> Value:
    """A function of the first input, or of another value."""
    return call.add(Pointwise(found), call.x if x is None else x)


def _named(name: str) -> Callable[[Call], Found]:
    return lambda call: applied(call, ACTIVATIONS[name])


def _leaky(call: Call) -> Value:
    return applied(call, function("slope", X, numbers=(call.attribute("alpha", 0.01),)))


def _prelu(call: Call) -> Value:
    slopes = call.by_channel(call.weight(1), call.x, "has slopes")
    return applied(call, function("slope", X, numbers=(slopes,)))


def _hard_sigmoid(call: Call) -> Value:
    alpha, beta = call.attribute("alpha", 0.2), call.attribute("beta", 0.5)
    return applied(call, clamp(affine(X, alpha, beta), 0.0, 1.0))


def _elu(call: Call) -> Value:
    alpha = call.attribute("alpha", 1.0)
    return applied(call, elu(alpha, 1 / alpha if call.kind == "Celu" else 1.0))


def _selu(call: Call) -> Value:
    alpha = call.attribute("alpha", 1.67326319217681884765625)
    return applied(call, affine(elu(alpha), call.attribute("gamma", 1.05070102214813232421875)))


def _gelu(call: Call) -> Value:
    way = call.attribute("approximate", "none")
    if way not in ("none", "tanh"):
        call.refuse(f"Gelu with approximate = {way} is not supported; none and tanh are")
    return applied(call, ACTIVATIONS["gelu_tanh" if way == "tanh" else "gelu"])


def _swish(call: Call) -> Value:
    by = call.attribute("alpha", 1.0)
    return applied(call, function("product", X, function("sigmoid", affine(X, by))))


def _power(call: Call) -> Value:
    by = call.stored(1)
    if by is None or by.size != 1:
        call.refuse("Pow runs with one stored number as exponent only")
    return applied(call, power(X, float(np.ravel(by)[0])))


def _thresholded(call: Call) -> Value:
    return applied(call, function("threshold", X, numbers=(call.attribute("alpha", 1.0), 0.0)))


def _shrink(call: Call) -> Value:
    by, bias = call.attribute("lambd", 0.5), call.attribute("bias", 0.0)
    if bias not in (0.0, by):
        call.refuse(f"Shrink with bias = {bias} is not supported; 0 and lambd are")
    soft = function("sum", X, affine(clamp(X, -by, by), -1.0))
    return applied(call, soft if bias else function("shrink", X, numbers=(by,)))


#: Name -> what it adds.
FUNCTIONS: dict[str, Callable[[Call], Found]] = {
    **{kind: _named(name) for kind, name in (
        ("Sigmoid", "sigmoid"), ("Tanh", "tanh"), ("HardSwish", "hard_swish"), ("Mish", "mish"),
        ("Softsign", "softsign"), ("Erf", "erf"), ("Exp", "exp"), ("Log", "log"), ("Abs", "abs"),
        ("Sin", "sin"), ("Cos", "cos"), ("Sqrt", "sqrt"), ("Reciprocal", "reciprocal"))},
    "LeakyRelu": _leaky, "PRelu": _prelu, "HardSigmoid": _hard_sigmoid, "Elu": _elu, "Celu": _elu,
    "Selu": _selu, "Gelu": _gelu, "Swish": _swish, "Pow": _power, "Shrink": _shrink,
    "Softplus": lambda call: applied(call, function("softplus", X)),
    "ThresholdedRelu": _thresholded,
}
