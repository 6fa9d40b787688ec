"""Activations that programs name, as functions of one number."""

import math

from sw.graph.function import Function, X, function

__all__ = ["ACTIVATIONS", "affine", "clamp", "elu", "power", "softplus"]


def affine(x: Function, scale: float, offset: float = 0.0) -> Function:
    return function("affine", x, numbers=(scale, offset))


def clamp(x: Function, low: float, high: float) -> Function:
    return function("clamp", x, numbers=(low, high))


def elu(alpha: float, by: float = 1.0) -> Function:
    """x above 0, alpha * (exp(x * by) - 1) below."""
    return function("elu", X, numbers=(alpha, by))


def power(x: Function, by: float) -> Function:
    return function("power", x, numbers=(by,))


def softplus(beta: float = 1.0) -> Function:
    """log(1 + exp(beta * x)) / beta."""
    return affine(function("softplus", affine(X, beta)), 1 / beta)


def _times_x(of: Function) -> Function:
    return function("product", X, of)


_WAY = math.sqrt(2 / math.pi)  # of the approximation of GELU
_SIGMOID, _TANH = function("sigmoid", X), function("tanh", X)
#: Name -> function.
ACTIVATIONS: dict[str, Function] = {
    "sigmoid": _SIGMOID, "tanh": _TANH,
    "silu": _times_x(_SIGMOID),
    "hard_sigmoid": clamp(affine(X, 1 / 6, 0.5), 0.0, 1.0),
    "hard_swish": _times_x(clamp(affine(X, 1 / 6, 0.5), 0.0, 1.0)),
    "gelu": _times_x(affine(function("erf", affine(X, math.sqrt(0.5))), 0.5, 0.5)),
    "gelu_tanh": _times_x(affine(function("tanh", _times_x(
        affine(power(X, 2.0), 0.044715 * _WAY, _WAY))), 0.5, 0.5)),
    "mish": _times_x(function("tanh", function("softplus", X))),
    "selu": affine(elu(1.6732632423543772), 1.0507009873554805),
    "log_sigmoid": affine(function("softplus", affine(X, -1.0)), -1.0),
    "softsign": _times_x(power(affine(function("abs", X), 1.0, 1.0), -1.0)),
    **{kind: function(kind, X) for kind in ("erf", "exp", "log", "abs", "sin", "cos")},
    "sqrt": power(X, 0.5), "rsqrt": power(X, -0.5), "reciprocal": power(X, -1.0),
    "square": power(X, 2.0),
}
