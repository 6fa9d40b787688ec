"""ONNX's operators of quantised models, by their names, and those that runtimes add.

Each is what it means: numbers are made real, computed on and rounded again. Their scales, zero
points and integers go along untouched.
"""

from collections.abc import Callable

import numpy as np

from sw.graph.quantisation import Quantisation
from sw.ir.held import Codes, Whole
from sw.ir.operators import Quantise

from .call import Call, Found
from .operators import TABLE

__all__ = ["DOMAIN", "QUANTISED", "dequantise_stored"]

#: Of operators that runtimes add.
DOMAIN = "com.microsoft"
#: Type of 8-bit numbers -> what is taken from them to make them int8.
_SHIFTS = {np.dtype(np.int8): 0, np.dtype(np.uint8): 128}


# -- scales and zero points ------------------------------------------------------------------------
def _quantisation(call: Call, k: int) -> Quantisation:
    """Of a whole tensor, by its scale and zero point, inputs k and k + 1."""
    scale, zero = call.stored(k), call.stored(k + 1)
    if scale is None or scale.size != 1:
        call.refuse(f"{call.kind} has a scale for each channel of what the network computes; only "
                    "one for all runs")
    number = float(np.ravel(scale)[0])
    if not 0 < number < float("inf"):
        call.refuse(f"{call.kind} has a scale of {number:g}; it must be a number above 0")
    zero = np.zeros(1, np.uint8) if zero is None else np.ravel(zero)
    if zero.dtype not in _SHIFTS:
        call.refuse(f"{call.kind} makes {zero.dtype} of its values; int8 and uint8 run: quantise "
                    "activations to 8 bits")
    return Quantisation(number, int(zero[0]) - _SHIFTS[zero.dtype])


def _whole(call: Call, codes: np.ndarray, k: int, axis: int) -> Whole:
    """Stored integers by their scale and zero point, inputs k and k + 1."""
    scale, zero = call.stored(k), call.stored(k + 1)
    if scale is None or scale.ndim > 1 or (scale.size > 1 and scale.size != codes.shape[axis]):
        given = "no scale" if scale is None else f"scales {list(scale.shape)}"
        call.refuse(f"{call.kind} has {given} for {list(codes.shape)}; one for all, or for each "
                    "output channel, runs")
    found = Whole(codes.astype(np.int64), scale.astype(np.float64), axis % max(1, codes.ndim))
    if zero is None or not zero.any():
        return found
    column = Whole(np.ones(codes.shape, np.int64), zero.astype(np.float64), found.axis)
    return Whole(found.whole - column.real.astype(np.int64), found.scale, found.axis)


def dequantise_stored(call: Call) -> Found:
    """DequantizeLinear of stored numbers."""
    codes = call.stored(0)
    assert codes is not None
    call.expect(block_size=0)
    call.attribute("output_dtype")
    return _whole(call, codes, 1, call.attribute("axis", 1))


# -- one operator ----------------------------------------------------------------------------------
def _rounded(call: Call, found: Found, to: Quantisation) -> Codes:
    call.replace([found])
    return Codes(call.add(Quantise(to), call.x), to)


def _quantise(call: Call) -> Found:
    """QuantizeLinear."""
    call.attribute("axis"), call.attribute("saturate"), call.attribute("precision")
    call.expect(block_size=0)
    wide = call.attribute("output_dtype", 0)
    to = _quantisation(call, 1)
    if wide and call.input(2) is None:
        call.refuse(f"{call.kind} gives its type without a zero point; store one, of 0")
    return _rounded(call, call.x, to)


def _dequantise(call: Call) -> Found:
    """DequantizeLinear of what the network computes."""
    call.attribute("axis"), call.attribute("output_dtype")
    call.expect(block_size=0)
    return _read(call, 0)


def _read(call: Call, k: int) -> Found:
    """The real numbers of inputs k, k + 1 and k + 2: codes, scale, zero point."""
    codes = call.input(k)
    if isinstance(codes, Codes):
        to = _quantisation(call, k + 1)
        if to != codes.to:
            call.refuse(f"{call.kind} reads {to.scale:g} (zero point {to.zero_point}) where "
                        f"{codes.to.scale:g} ({codes.to.zero_point}) was written; both must be the "
                        "same")
        return codes.value
    if not isinstance(codes, np.ndarray):
        call.refuse(f"{call.kind}: input {k} is not quantised")
    return _whole(call, codes, k + 1, 0)


# -- operators on codes ----------------------------------------------------------------------------
def _run(call: Call, kind: str, inputs: list[Found], to: Quantisation | None) -> Found:
    """What an operator on real numbers makes of the inputs, rounded."""
    call.replace(inputs, kind)
    found = TABLE[kind](call)
    several = found if isinstance(found, list) else [found]
    return several[0] if to is None else _rounded(call, several[0], to)


def _conv(call: Call) -> Found:
    x, to = _read(call, 0), _quantisation(call, 6)
    weight, bias = _read(call, 3), call.stored(8)
    return _run(call, "Conv", [x, weight, _bias(call, bias, 1, weight)], to)


def _bias(call: Call, bias: np.ndarray | None, k: int, weight: Found) -> Found:
    """Integers in steps of the input's scale, input k, times the weights'."""
    if bias is None:
        return None
    scale = call.stored(k)
    assert scale is not None and isinstance(weight, Whole)
    return Whole(bias.astype(np.int64), float(np.ravel(scale)[0]) * weight.scale.reshape(-1), 0)


def _matmul(call: Call) -> Found:
    to = _quantisation(call, 6)
    codes = call.stored(3)
    assert codes is not None
    return _run(call, "MatMul", [_read(call, 0), _whole(call, codes, 4, 1)], to)


def _gemm(call: Call) -> Found:
    to = _quantisation(call, 7) if call.count > 7 and call.input(7) is not None else None
    codes, bias = call.stored(3), call.stored(6)
    assert codes is not None
    alpha, flipped = call.attribute("alpha", 1.0), call.attribute("transB", 0)
    weight = _whole(call, codes, 4, 0 if flipped else 1)
    weight = Whole(weight.whole if flipped else weight.whole.T, weight.scale * alpha, 0)
    call.expect(transA=0)
    return _run(call, "MatMul", [_read(call, 0), weight.transposed([1, 0]),
                                 _bias(call, bias, 1, weight)], to)


def _two(kind: str) -> Callable[[Call], Found]:
    def run(call: Call) -> Found:
        return _run(call, kind, [_read(call, 0), _read(call, 3)], _quantisation(call, 6))
    return run


def _pool(kind: str) -> Callable[[Call], Found]:
    def run(call: Call) -> Found:
        call.expect(channels_last=0)
        return _run(call, kind, [_read(call, 0)], _quantisation(call, 3))
    return run


def _function(kind: str) -> Callable[[Call], Found]:
    """QLinearSigmoid and its kin: codes, scale, zero point, and those of the result."""
    def run(call: Call) -> Found:
        return _run(call, kind, [_read(call, 0)], _quantisation(call, 3))
    return run


def _concat(call: Call) -> Found:
    to = _quantisation(call, 0)
    return _run(call, "Concat", [_read(call, k) for k in range(2, call.count, 3)], to)


def _softmax(call: Call) -> Found:
    opset, to = call.attribute("opset", call.opset), _quantisation(call, 3)
    call.opset = opset
    return _run(call, "Softmax", [_read(call, 0)], to)


def _dynamic(call: Call) -> Found:
    call.refuse(f"operator {call.kind} chooses scales while it runs; only stored ones run: "
                "quantise the model statically")


#: Name -> what it adds.
QUANTISED: dict[str, Callable[[Call], Found]] = {
    "QuantizeLinear": _quantise, "DequantizeLinear": _dequantise, "QLinearConv": _conv,
    "QLinearMatMul": _matmul, "QGemm": _gemm, "QLinearAdd": _two("Add"),
    "QLinearMul": _two("Mul"), "QLinearGlobalAveragePool": _pool("GlobalAveragePool"),
    "QLinearAveragePool": _pool("AveragePool"), "QLinearConcat": _concat,
    "QLinearSoftmax": _softmax, "QLinearSigmoid": _function("Sigmoid"),
    "QLinearLeakyRelu": _function("LeakyRelu"),
    **dict.fromkeys(("DynamicQuantizeLinear", "ConvInteger", "MatMulInteger",
                     "MatMulIntegerToFloat", "DynamicQuantizeMatMul"), _dynamic),
}
