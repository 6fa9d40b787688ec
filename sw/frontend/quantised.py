"""torch's quantised models, as PT2E writes them: numbers rounded, and made real again."""

from collections.abc import Callable

import numpy as np
import torch

from sw.graph.quantisation import Quantisation
from sw.ir.held import Codes, Whole
from sw.ir.operators import Quantise

from .call import Call, Found

__all__ = ["QUANTISED", "dequantise_stored"]

#: Type of 8-bit numbers -> what is taken from them to make them int8.
_SHIFTS = {torch.int8: 0, torch.uint8: 128}


def _quantisation(call: Call) -> Quantisation:
    """Of a whole tensor."""
    kind = call["dtype"]
    if kind not in _SHIFTS:
        call.refuse(f"operator {call.kind} makes {kind} of its values; int8 and uint8 run: "
                    "quantise activations to 8 bits")
    shift, scale = _SHIFTS[kind], float(call["scale"])
    if not 0 < scale < float("inf"):
        call.refuse(f"operator {call.kind} has a scale of {scale:g}; it must be a number above 0")
    return Quantisation(scale, *(int(call[name]) - shift
                                 for name in ("zero_point", "quant_min", "quant_max")))


def _quantise(call: Call) -> Found:
    to = _quantisation(call)
    return Codes(call.add(Quantise(to), call.x), to)


def _dequantise(call: Call) -> Found:
    codes, to = call["input"], _quantisation(call)
    if not isinstance(codes, Codes) or codes.to != to:
        call.refuse(f"operator {call.kind} reads its values in another way than they were written")
    return codes.value


def _of_channels(call: Call) -> Found:
    call.refuse(f"operator {call.kind} has a scale for each channel of what the network computes; "
                "only one for all runs")


def dequantise_stored(call: Call) -> Whole:
    """Stored integers with their scale, by channel or one for all."""
    codes = call["input"].detach().cpu().numpy().astype(np.int64)
    several = "scales" in call.arguments
    scale, zero = (np.ravel(torch.as_tensor(call[name]).detach().cpu().numpy()) for name in (
        ("scales", "zero_points") if several else ("scale", "zero_point")))
    axis = int(call["axis"]) % codes.ndim if several else 0
    column = [1] * codes.ndim
    column[axis] = -1
    return Whole(codes - zero.astype(np.int64).reshape(column if several else ()),
                 scale.astype(np.float64), axis)


#: Name -> what it adds.
QUANTISED: dict[str, Callable[[Call], Found]] = {
    "quantize_per_tensor": _quantise, "dequantize_per_tensor": _dequantise,
    "quantize_per_channel": _of_channels, "dequantize_per_channel": _of_channels,
}
