"""ONNX's operators that compute, by their names: what each adds to the imported graph."""

import math
from collections.abc import Callable

import numpy as np

from sw.ir.activations import ACTIVATIONS
from sw.ir.graph import Value
from sw.ir.operators import (
    AvgPool,
    Border,
    Clamp,
    Concat,
    Conv,
    Linear,
    MaxPool,
    Product,
    Softmax,
    Sum,
)
from sw.ir.windows import averaged, pooled

from .call import Call, Found
from .functions import FUNCTIONS, applied

__all__ = ["INSTEAD", "TABLE"]

#: Operators that do not run -> what does.
INSTEAD = {
    "LRN": "batch norm runs", "InstanceNormalization": "batch norm runs",
    "LayerNormalization": "batch norm runs", "GroupNormalization": "batch norm runs",
    "ArgMax": "the host finds the largest of the outputs: leave it out",
    "TopK": "the host finds the largest of the outputs: leave it out",
}


# -- windows ---------------------------------------------------------------------------------------
def _pair(numbers: list[int], of_a_row: bool, fill: int) -> tuple[int, int]:
    """Rows and columns; of one dimension, of a map of one row."""
    first, second = [fill, *numbers] if of_a_row else numbers
    return int(first), int(second)


def _border(call: Call, x: Value, kernel: tuple[int, int], stride: tuple[int, int]) -> Border:
    """Padding of a window whose size includes its dilation."""
    of_a_row = len(call.x.shape) == 2
    auto, pads = call.attribute("auto_pad", "NOTSET"), call.attribute("pads")
    if auto in ("NOTSET", "VALID"):
        pads = [0] * (2 if of_a_row else 4) if pads is None or auto == "VALID" else pads
        half = len(pads) // 2
        (top, left), (bottom, right) = (_pair(pads[:half], of_a_row, 0),
                                        _pair(pads[half:], of_a_row, 0))
        if min(pads) < 0:
            call.refuse(f"padding is {pads}; it must be 0 or more")
        return top, left, bottom, right
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        call.refuse(f"auto_pad = {auto} is not supported")
    ends = []
    for axis in (0, 1):
        size = x.shape[1 + axis]
        total = max(0, (-(-size // stride[axis]) - 1) * stride[axis] + kernel[axis] - size)
        less, more = total // 2, total - total // 2
        ends.append((less, more) if auto == "SAME_UPPER" else (more, less))
    (top, bottom), (left, right) = ends
    return top, left, bottom, right


def _expect_map(call: Call) -> None:
    if len(call.x.shape) not in (2, 3):
        call.refuse(f"{call.kind} takes a map, not {[1, *call.x.shape]}; only two dimensions of "
                    "pixels, or one, run")


def _map_of(call: Call) -> Value:
    _expect_map(call)
    return call.as_map(call.x)


def _conv(call: Call) -> Value:
    x, weight = _map_of(call), call.weight(1)
    of_a_row = len(call.x.shape) == 2
    ones = [1] * (1 if of_a_row else 2)
    if weight.ndim != len(ones) + 2:
        call.refuse(f"its weights are {list(weight.shape)} for a value of {[1, *call.x.shape]}")
    if (given := call.attribute("kernel_shape")) is not None and given != list(weight.shape[2:]):
        call.refuse(f"kernel_shape is {given}; the weights have {list(weight.shape[2:])}")
    weight = weight[:, :, None] if of_a_row else weight
    stride = _pair(call.attribute("strides", ones), of_a_row, 1)
    dilation = _pair(call.attribute("dilations", ones), of_a_row, 1)
    rows, columns = ((k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True))
    border = _border(call, x, (rows, columns), stride)
    bias = call.bias(2)
    found = call.add(Conv(weight, np.zeros(len(weight), np.float32) if bias is None else bias,
                          stride, border, dilation, call.attribute("group", 1),
                          call.steps(1, 0)), x)
    return call.as_rows(found, call.x)


def _pool(call: Call) -> tuple[Value, tuple[int, int], tuple[int, int], Border, bool]:
    """A map, and how a window goes over it: kernel, stride, padding, and whether it may hang over
    the end."""
    x, of_a_row = _map_of(call), len(call.x.shape) == 2
    ones = [1] * (1 if of_a_row else 2)
    call.expect(dilations=1)
    kernel = _pair(call.attribute("kernel_shape"), of_a_row, 1)
    stride = _pair(call.attribute("strides", ones), of_a_row, 1)
    border = _border(call, x, kernel, stride)
    return x, kernel, stride, border, bool(call.attribute("ceil_mode", 0))


def _max_pool(call: Call) -> list[Found]:
    call.attribute("storage_order")  # of the places, which are not given
    x, kernel, stride, border, ceil = _pool(call)
    return [call.as_rows(call.add(MaxPool(kernel, stride, border, ceil), x), call.x)]


def _avg_pool(call: Call) -> Value:
    x, kernel, stride, border, ceil = _pool(call)
    count = bool(call.attribute("count_include_pad", 0))
    rows, columns = (averaged(x.shape[1 + k], kernel[k], stride[k], border[k], border[2 + k],
                              ceil=ceil, count_padding=count) for k in (0, 1))
    return call.as_rows(pooled(call, x, AvgPool, rows, columns), call.x)


def _over_pixels(call: Call, kind: type[MaxPool] | type[AvgPool], axes: set[int],
                 keep: bool) -> Value:
    """A mean or a maximum over rows, columns or both."""
    _expect_map(call)
    if 0 in axes or not axes:
        call.refuse(f"{call.kind} is over channels; only over rows and columns it runs")
    found = call.over_pixels(call.x, axes, kind)
    sizes = [1 if k in axes else n for k, n in enumerate(call.x.shape)]
    return call.reshape(found, *(n for k, n in enumerate(sizes) if keep or k not in axes))


def _global(kind: type[MaxPool] | type[AvgPool]) -> Callable[[Call], Found]:
    return lambda call: _over_pixels(call, kind, set(range(1, len(call.x.shape))), True)


def _reduce(kind: type[MaxPool] | type[AvgPool]) -> Callable[[Call], Found]:
    def run(call: Call) -> Value:
        axes, keep = call.integers("axes", 1), bool(call.attribute("keepdims", 1))
        call.expect(noop_with_empty_axes=0)
        if axes is None:
            call.refuse(f"{call.kind} is over all of a batch; name the axes of rows and columns")
        return _over_pixels(call, kind, {call.axis(a) for a in axes}, keep)
    return run


# -- sums of products ------------------------------------------------------------------------------
def _matrix(call: Call, weight: np.ndarray, bias: np.ndarray | None,
            steps: np.ndarray | None) -> Value:
    bias = np.zeros(1, np.float32) if bias is None else np.ravel(bias)
    return call.add(Linear(np.ascontiguousarray(weight), np.broadcast_to(bias, len(weight)).copy(),
                           steps), call.x)


def _gemm(call: Call) -> Value:
    call.expect(transA=0)
    weight, alpha, beta = call.weight(1), call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    flipped = call.attribute("transB", 0)
    steps, bias = call.steps(1, 0 if flipped else 1), call.bias(2)
    return _matrix(call, (weight if flipped else weight.T) * np.float32(alpha),
                   None if bias is None else bias * bias.dtype.type(beta),
                   None if steps is None else steps * abs(alpha))


def _matmul(call: Call) -> Value:
    weight = call.weight(1)
    if weight.ndim != 2:
        call.refuse(f"takes a matrix, not {list(weight.shape)}")
    return _matrix(call, weight.T, call.bias(2), call.steps(1, 1))


# -- by channel ------------------------------------------------------------------------------------
def _batch_norm(call: Call) -> list[Found]:
    call.expect(training_mode=0, spatial=1)
    call.attribute("momentum")
    gamma, beta, mean, variance = (call.weight(k).astype(np.float64) for k in range(1, 5))
    epsilon = call.attribute("epsilon", 1e-5)
    if variance.min() + epsilon <= 0:
        call.refuse(f"its variance is {variance.min():g} with an epsilon of {epsilon:g}; their sum "
                    "must be above 0")
    scale = gamma / np.sqrt(variance + epsilon)
    return [call.affine(call.x, scale, beta - mean * scale)]


def _sum(call: Call, factors: tuple[float, ...] | None = None) -> Value:
    """The sum of values and of stored numbers."""
    given = [call.input(k) for k in range(call.count)]
    factors = factors or (1.0,) * len(given)
    values = [(x, f) for x, f in zip(given, factors, strict=True) if isinstance(x, Value)]
    shapes = {x.shape for x, _ in values}
    if len(shapes) > 1:
        call.refuse(f"adds {' and '.join(str([1, *s]) for s in sorted(shapes))}; all must be of "
                    "one shape")
    stored = [(x, f) for x, f in zip(given, factors, strict=True) if isinstance(x, np.ndarray)]
    (total, factor), *rest = values
    if rest:
        total, factor = call.add(Sum(tuple(f for _, f in values)), *(x for x, _ in values)), 1.0
    if not stored:
        return total if factor == 1 else call.affine(total, factor, 0.0)
    whole = sum((f * x.astype(np.float64) for x, f in stored), np.zeros(()))
    return call.channelwise(total, whole, "adds",
                            lambda value, numbers: call.affine(value, factor, numbers))


def _mul(call: Call) -> Value:
    x, y = call.input(0), call.input(1)
    if isinstance(x, Value) and isinstance(y, Value):
        return call.add(Product(), x, y)
    x, y = (x, y) if isinstance(x, Value) else (y, x)
    assert isinstance(x, Value) and isinstance(y, np.ndarray)
    return call.channelwise(x, y, "multiplies by",
                            lambda value, numbers: call.affine(value, numbers, 0.0))


def _div(call: Call) -> Value:
    given, by = call.input(0), call.input(1)
    if isinstance(by, Value):
        below = applied(call, ACTIVATIONS["reciprocal"], by)
        if isinstance(given, Value):
            return call.add(Product(), given, below)
        return call.affine(below, call.by_channel(given, below, "divides"), 0.0)
    x, by = call.x, call.stored(1)
    found = call.by_channel(by, x, "divides by")
    if (found == 0).any():
        call.refuse("divides by 0")
    return call.affine(x, 1 / found, 0.0)


# -- limits ----------------------------------------------------------------------------------------
def _limit(call: Call, k: int, name: str, default: float) -> float:
    found = call.attribute(name)
    if found is None:
        stored = call.stored(k)
        found = default if stored is None else float(np.ravel(stored)[0])
    return float(found)


def _clamp(call: Call, low: float, high: float) -> Value:
    if not low <= high:
        call.refuse(f"clamps from {low} to {high}; the lower one must come first")
    return call.add(Clamp(low, high), call.x)


def _bound(lower: bool) -> Callable[[Call], Found]:
    """Max or Min of a value and one number."""
    def run(call: Call) -> Value:
        given = [call.input(k) for k in range(call.count)]
        values = [x for x in given if isinstance(x, Value)]
        numbers = [x for x in given if isinstance(x, np.ndarray)]
        if len(values) != 1 or len(numbers) != 1 or numbers[0].size != 1:
            call.refuse(f"{call.kind} of two values is not supported; of one and a number it runs")
        limit = float(np.ravel(numbers[0])[0])
        return call.add(Clamp(low=limit) if lower else Clamp(high=limit), values[0])
    return run


def _softmax(call: Call, log: bool = False) -> Value:
    dim = call.attribute("axis", -1 if call.opset >= 13 else 1)
    axis = call.axis(dim)
    if call.opset < 13 and math.prod(call.x.shape) != call.x.shape[axis]:
        call.refuse(f"{call.kind} of opset {call.opset} is over all numbers after an axis; only "
                    "over one axis it is known")
    return call.add(Softmax(axis, log), call.x)


def _concat(call: Call) -> Value:
    values = [call.value(k) for k in range(call.count)]
    axis = call.axis(call.attribute("axis"))
    return values[0] if len(values) == 1 else call.add(Concat(axis), *values)


#: Name -> what it adds; it returns the value, or a list of several.
TABLE: dict[str, Callable[[Call], Found | list[Found]]] = {
    **FUNCTIONS,
    "Conv": _conv, "Gemm": _gemm, "MatMul": _matmul, "BatchNormalization": _batch_norm,
    "Add": _sum, "Sum": _sum, "Sub": lambda call: _sum(call, (1.0, -1.0)), "Mul": _mul,
    "Div": _div, "Neg": lambda call: call.affine(call.x, -1.0, 0.0),
    "Relu": lambda call: _clamp(call, 0.0, math.inf),
    "Clip": lambda call: _clamp(call, _limit(call, 1, "min", -math.inf),
                                _limit(call, 2, "max", math.inf)),
    "Max": _bound(True), "Min": _bound(False), "Concat": _concat,
    "Softmax": _softmax, "LogSoftmax": lambda call: _softmax(call, True),
    "MaxPool": _max_pool, "AveragePool": _avg_pool, "GlobalAveragePool": _global(AvgPool),
    "GlobalMaxPool": _global(MaxPool), "ReduceMean": _reduce(AvgPool),
    "ReduceMax": _reduce(MaxPool),
}
