"""torch's operators, by their names in ATen: what each adds to the imported graph."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sw.graph.function import X, function
from sw.ir.activations import ACTIVATIONS
from sw.ir.graph import Value
from sw.ir.operators import (
    AvgPool,
    Clamp,
    Concat,
    Conv,
    Linear,
    MaxPool,
    Pad,
    Product,
    Softmax,
    Sum,
)
from sw.ir.windows import adaptive, averaged, pooled

from .call import Call
from .functions import FUNCTIONS, applied

__all__ = ["INSTEAD", "TABLE"]

#: Operators that do not run -> what does.
INSTEAD = {
    "glu": "functions of one value run, such as SiLU and GELU",
    "upsample_bilinear2d": "nearest upsampling by whole numbers and transposed convolutions run",
    "group_norm": "batch norm runs", "layer_norm": "batch norm runs",
    "instance_norm": "batch norm runs",
    "argmax": "the host finds the largest of the outputs: leave it out",
    "topk": "the host finds the largest of the outputs: leave it out",
    "scaled_dot_product_attention": "convolutions and linear layers run",
}


def _zeros(bias: np.ndarray | None, count: int) -> np.ndarray:
    return np.zeros(count, np.float32) if bias is None else bias


# -- sums of products ------------------------------------------------------------------------------
def _conv(call: Call) -> Value:
    weight, bias = call.stored("weight"), call.stored("bias")
    assert weight is not None
    x, rows = call.x, call.x
    stride, dilation = call.pair("stride", (1, 1)), call.pair("dilation", (1, 1))
    given = call["padding"]
    padding = (0, 0) if isinstance(given, str) else call.pair("padding", (0, 0))
    if weight.ndim == 3:
        weight, rows = weight[:, :, None], call.as_map(x)
        stride, dilation, padding = (1, stride[1]), (1, dilation[1]), (0, padding[1])
    if len(rows.shape) != 3:
        call.refuse("a convolution cannot follow flatten")
    border = (*padding, *padding)
    if given == "same":
        whole = [(k - 1) * d for k, d in zip(weight.shape[2:], dilation, strict=True)]
        border = (whole[0] // 2, whole[1] // 2, whole[0] - whole[0] // 2, whole[1] - whole[1] // 2)
    return call.as_rows(call.add(Conv(weight, _zeros(bias, len(weight)), stride, border, dilation,
                                      int(call["groups"]), call.steps("weight")), rows), x)


def _linear(call: Call) -> Value:
    weight = call.stored("weight")
    assert weight is not None
    return _matrix(call, call.x, weight, call.stored("bias"), call.steps("weight"))


def _matrix(call: Call, x: Value, weight: np.ndarray, bias: np.ndarray | None,
            steps: np.ndarray | None) -> Value:
    return call.add(Linear(weight, _zeros(bias, len(weight)), steps), x)


def _matmul(call: Call) -> Value:
    name = "other" if "other" in call.arguments else "mat2"
    weight = call.stored(name)
    if weight is None or weight.ndim != 2:
        call.refuse(f"operator {call.kind} takes a matrix that is stored only")
    return _matrix(call, call.x, weight.T, None, call.steps(name, 1))


def _addmm(call: Call) -> Value:
    weight = call.stored("mat2")
    assert weight is not None
    if (call["alpha"], call["beta"]) != (1, 1):
        call.refuse("addmm with alpha or beta is not supported")
    return _matrix(call, call.value(call["mat1"]), weight.T, call.stored("self"),
                   call.steps("mat2", 1))


# -- by channel ------------------------------------------------------------------------------------
def _batch_norm(call: Call) -> Value:
    if call["training"] or call["running_mean"] is None:
        call.refuse("batch norm takes the statistics of its own batch in evaluation, too; give it "
                    "running statistics and training=self.training, or take nn.BatchNorm2d with "
                    "track_running_stats")
    stored = {what: call.stored(name) for what, name in (
        ("running mean", "running_mean"), ("running variance", "running_var"),
        ("weight", "weight"), ("bias", "bias"))}
    for what, values in stored.items():
        if values is not None and not np.isfinite(values).all():
            call.refuse(f"its {what} holds NaN or infinity; train or load it anew")
    mean, variance, gamma, beta = stored.values()
    assert mean is not None and variance is not None
    if variance.min() + call["eps"] <= 0:
        call.refuse(f"its running variance is {variance.min():g} with an eps of {call['eps']:g}; "
                    "their sum must be above 0")
    scale = (1 if gamma is None else gamma) / np.sqrt(variance + call["eps"])
    offset = (0 if beta is None else beta) - mean * scale
    return call.affine(call.x, scale, offset)


def _add(call: Call, sign: float = 1.0, swapped: bool = False) -> Value:
    """x + alpha * y, or minus; swapped, y - alpha * x. Either may be stored."""
    x, y = call["self"], call["other"]
    fx, fy = 1.0, sign * float(call["alpha"] if call["alpha"] is not None else 1)
    if swapped:
        fx, fy = fy, 1.0
    if isinstance(x, Value) and isinstance(y, Value):
        if x.shape != y.shape:
            call.refuse(f"adds {list(x.shape)} and {list(y.shape)}; both must be of one shape")
        return call.add(Sum((fx, fy)), x, y)
    if not isinstance(x, Value):
        x, y, fx, fy = call.value(y), x, fy, fx
    return call.channelwise(x, call.numbers(y), "adds",
                            lambda value, numbers: call.affine(value, fx, fy * numbers))


def _mul(call: Call) -> Value:
    x, y = call["self"], call["other"]
    if isinstance(x, Value) and isinstance(y, Value):
        found = call.add(Product(), x, y)
    else:
        x, y = (x, y) if isinstance(x, Value) else (y, x)
        found = call.channelwise(x, call.numbers(y), "multiplies by",
                                 lambda value, numbers: call.affine(value, numbers, 0.0))
    if found.shape != call.result_shape():
        call.refuse("multiplies one number for each channel, repeated over a map, by no map")
    return found


def _div(call: Call) -> Value:
    if call["rounding_mode"] is not None:
        call.refuse("rounds what it divides; without rounding_mode it runs")
    if isinstance(call["other"], Value):
        below = applied(call, ACTIVATIONS["reciprocal"], call["other"])
        if isinstance(x := call["self"], Value):
            return call.add(Product(), x, below)
        return call.affine(below, call.by_channel(x, below, "divides"), 0.0)
    by = call.by_channel(call["other"], call.x, "divides by")
    if (by == 0).any():
        call.refuse("divides by 0")
    return call.affine(call.x, 1 / by, 0.0)


# -- limits ----------------------------------------------------------------------------------------
def _clamp(call: Call, low: Any, high: Any) -> Value:
    limits = [default if x is None else x for x, default in ((low, -math.inf), (high, math.inf))]
    if not all(isinstance(x, int | float) for x in limits) or not limits[0] <= limits[1]:
        call.refuse(f"clamps from {limits[0]} to {limits[1]}; these must be numbers, the lower one "
                    "first")
    return call.add(Clamp(float(limits[0]), float(limits[1])), call.x)


def _threshold(call: Call) -> Value:
    if call["threshold"] != call["value"]:
        return applied(call, function("threshold", X, numbers=(call["threshold"], call["value"])))
    return _clamp(call, call["threshold"], None)


def _softmax(call: Call, log: bool = False) -> Value:
    return call.add(Softmax(call.axis(call["dim"]), log), call.x)


# -- windows ---------------------------------------------------------------------------------------
def _max_pool(call: Call) -> Value:
    dilation = call["dilation"]
    if set(dilation if isinstance(dilation, list) else [dilation]) != {1}:
        call.refuse(f"pooling dilation is {dilation}; only 1 is supported")
    kernel, stride, padding, x = _window(call)
    return call.as_rows(call.add(MaxPool(kernel, stride, (*padding, *padding),
                                         bool(call["ceil_mode"])), x), call.x)


def _avg_pool(call: Call) -> Value:
    kernel, stride, padding, x = _window(call)
    ceil, count = bool(call["ceil_mode"]), bool(call["count_include_pad"])
    divisor = call["divisor_override"]
    rows, columns = (averaged(x.shape[1 + k], kernel[k], stride[k], padding[k], padding[k],
                              ceil=ceil, count_padding=count) for k in (0, 1))
    found = pooled(call, x, AvgPool, rows, columns)
    if divisor is not None:
        if {past - first for first, past in rows} != {kernel[0]} or \
                {past - first for first, past in columns} != {kernel[1]}:
            call.refuse("divisor_override with windows of several sizes is not supported")
        found = call.affine(found, math.prod(kernel) / divisor, 0.0)
    return call.as_rows(found, call.x)


def _window(call: Call) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], Value]:
    """Kernel, stride and padding, rows first, and the map; of one dimension, of one row."""
    if len(call.x.shape) == 1:
        call.refuse("pooling cannot follow flatten")
    kernel = call.pair("kernel_size")
    stride, padding = call.pair("stride", kernel), call.pair("padding", (0, 0))
    if len(call.x.shape) == 2:
        kernel, stride, padding = (1, kernel[1]), (1, stride[1]), (0, padding[1])
    return kernel, stride, padding, call.as_map(call.x)


def _adaptive(call: Call, pool: type[MaxPool] | type[AvgPool]) -> Value:
    """Windows that share out the map."""
    x = call.as_map(call.x)
    given = call["output_size"]
    wanted = given if isinstance(given, list) else [given]
    wanted = [1, *wanted] if len(call.x.shape) == 2 else wanted * (2 // len(wanted))
    rows, columns = (adaptive(size, size if n is None else n)
                     for n, size in zip(wanted, x.shape[1:], strict=True))
    return call.as_rows(pooled(call, x, pool, rows, columns), call.x)


def _over_pixels(call: Call, pool: type[MaxPool] | type[AvgPool]) -> Value:
    """A mean or maximum over rows, columns or both."""
    given = call["dim"]
    dims = given if isinstance(given, list) else [given]
    if not dims or None in dims:
        call.refuse(f"operator {call.kind} is over all of a batch; name the dimensions of rows and "
                    "columns")
    axes = {call.axis(d) for d in dims}
    if 0 in axes or len(call.x.shape) == 1:
        call.refuse(f"operator {call.kind} is over channels; only over rows and columns it runs")
    return call.reshape(call.over_pixels(call.x, axes, pool), *call.result_shape())


def _pad(call: Call) -> Value:
    if call["mode"] not in (None, "constant"):
        call.refuse(f"pads by {call['mode']}; only constants run")
    amounts, x = list(call["pad"]), call.as_map(call.x)
    amounts += [0] * (4 - len(amounts))
    if any(amounts[4:]) or min(amounts) < 0:
        call.refuse(f"pads by {call['pad']}; only rows and columns can be added")
    left, right, top, bottom = amounts[:4]
    return call.as_rows(call.add(Pad((top, left, bottom, right), float(call["value"] or 0.0)), x),
                        call.x)


def _cat(call: Call) -> Value:
    values = [call.value(x) for x in call["tensors"]]
    rank = len(values[0].shape) + 1
    dim = call["dim"] + rank if call["dim"] < 0 else call["dim"]
    if dim == 0:
        call.refuse("joins along the batch; each image must stay by itself")
    return values[0] if len(values) == 1 else call.add(Concat(dim - 1), *values)


def _dropout(call: Call) -> Value:
    if call["train"] and call["p"] != 0:
        call.refuse(f"dropout of {call['p']} is on in evaluation, too; pass "
                    "training=self.training, or take nn.Dropout")
    return call.x


#: Name -> what it adds; it returns the value, or a list of several.
TABLE: dict[str, Callable[[Call], Any]] = {
    **FUNCTIONS,
    "conv1d": _conv, "conv2d": _conv, "linear": _linear, "matmul": _matmul, "mm": _matmul,
    "addmm": _addmm, "batch_norm": _batch_norm,
    "add": _add, "sub": lambda call: _add(call, -1.0), "rsub": lambda call: _add(call, -1.0, True),
    "mul": _mul, "div": _div, "neg": lambda call: call.affine(call.x, -1.0, 0.0),
    "relu": lambda call: _clamp(call, 0, None), "relu6": lambda call: _clamp(call, 0, 6),
    "hardtanh": lambda call: _clamp(call, call["min_val"], call["max_val"]),
    "clamp": lambda call: _clamp(call, call["min"], call["max"]),
    "clamp_min": lambda call: _clamp(call, call["min"], None),
    "clamp_max": lambda call: _clamp(call, None, call["max"]), "threshold": _threshold,
    "softmax": _softmax, "log_softmax": lambda call: _softmax(call, True),
    "max_pool1d": _max_pool, "max_pool2d": _max_pool,
    "max_pool2d_with_indices": lambda call: [_max_pool(call), None],
    "avg_pool1d": _avg_pool, "avg_pool2d": _avg_pool,
    "adaptive_avg_pool1d": lambda call: _adaptive(call, AvgPool),
    "adaptive_avg_pool2d": lambda call: _adaptive(call, AvgPool),
    "adaptive_max_pool1d": lambda call: [_adaptive(call, MaxPool), None],
    "adaptive_max_pool2d": lambda call: [_adaptive(call, MaxPool), None],
    "mean": lambda call: _over_pixels(call, AvgPool),
    "amax": lambda call: _over_pixels(call, MaxPool),
    "pad": _pad, "constant_pad_nd": _pad, "cat": _cat, "concat": _cat,
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"),
                    _dropout),
}
