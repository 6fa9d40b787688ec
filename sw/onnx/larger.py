"""ONNX's operators that make maps larger, by their names."""

from collections.abc import Callable

import numpy as np

from sw.ir.graph import Value
from sw.ir.phases import Transposed, depth_to_space, nearest, transposed

from .call import Call, Found

__all__ = ["LARGER"]


def _transposed(call: Call) -> Value:
    x, weight, bias = call.x, call.weight(1), call.bias(2)
    if len(x.shape) != 3 or weight.ndim != 4:
        call.refuse(f"{call.kind} of {[1, *x.shape]} is not supported; of rows and columns it runs")
    groups = int(call.attribute("group", 1))
    stride, dilation = call.attribute("strides", [1, 1]), call.attribute("dilations", [1, 1])
    more = call.attribute("output_padding", [0, 0])
    if (given := call.attribute("kernel_shape")) is not None and given != list(weight.shape[2:]):
        call.refuse(f"kernel_shape is {given}; the weights have {list(weight.shape[2:])}")
    whole = [(n - 1) * s + (k - 1) * d + 1 + extra for n, s, k, d, extra in zip(
        x.shape[1:], stride, weight.shape[2:], dilation, more, strict=True)]
    pads = _pads(call, x, whole, stride)
    outputs = weight.shape[1] * groups
    steps = call.steps(1, 1)
    if steps is not None and groups > 1:
        call.refuse(f"{call.kind} of a quantised model has groups; only of one it runs")
    how = Transposed((stride[0], stride[1]), (pads[0], pads[1]), (dilation[0], dilation[1]),
                     (whole[0] - pads[0] - pads[2], whole[1] - pads[1] - pads[3]), groups)
    if min(pads) < 0:
        call.refuse(f"padding is {pads}; it must be 0 or more")
    return transposed(call, x, weight, np.zeros(outputs, np.float32) if bias is None else bias,
                      how, steps)


def _pads(call: Call, x: Value, whole: list[int], stride: list[int]) -> list[int]:
    """What is left out above, to the left, below and to the right."""
    auto, pads = call.attribute("auto_pad", "NOTSET"), call.attribute("pads", [0, 0, 0, 0])
    shape = call.attribute("output_shape")
    if auto == "VALID":
        return [0, 0, 0, 0]
    if shape is None and auto == "NOTSET":
        return [int(n) for n in pads]
    if auto not in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        call.refuse(f"auto_pad = {auto} is not supported")
    wanted = [n * s for n, s in zip(x.shape[1:], stride, strict=True)] if shape is None else \
        [int(n) for n in shape[-2:]]
    total = [n - to for n, to in zip(whole, wanted, strict=True)]
    half = [n // 2 for n in total]
    other = [n - part for n, part in zip(total, half, strict=True)]
    return [*half, *other] if auto == "SAME_UPPER" else [*other, *half]


def _resize(call: Call) -> Value:
    if call.kind == "Resize" and call.opset >= 11:
        call.stored(1)  # the region, which is of another mode
    mode = call.attribute("mode", "nearest")
    place = call.attribute("coordinate_transformation_mode",
                           "half_pixel" if call.opset >= 11 else "asymmetric")
    rounding = call.attribute("nearest_mode", "round_prefer_floor" if call.opset >= 11 else "floor")
    for unused in ("cubic_coeff_a", "exclude_outside", "extrapolation_value"):
        call.attribute(unused)
    call.expect(antialias=0, keep_aspect_ratio_policy="stretch")
    if mode != "nearest":
        call.refuse(f"{call.kind} with mode = {mode} is not supported; nearest is, by whole "
                    "numbers")
    by = _scales(call)
    if by[:2] != [1, 1] or len(by) != 4 or any(int(n) != n or n < 1 for n in by):
        call.refuse(f"{call.kind} by {by}; only rows and columns can be scaled, each by a whole "
                    "number")
    rows, columns = int(by[2]), int(by[3])
    for n in (rows, columns):
        if _sources(n, place, rounding) != [k // n for k in range(n, 2 * n)]:
            call.refuse(f"{call.kind} by {n} with {place} and {rounding} takes other pixels than "
                        "the nearest one: take asymmetric and floor")
    return nearest(call, call.x, (rows, columns))


def _scales(call: Call) -> list[float]:
    if call.opset < 9:
        return [float(n) for n in call.attribute("scales")]
    at = 2 if call.kind == "Resize" and call.opset >= 11 else 1
    scales = call.stored(at)
    if scales is not None and scales.size:
        return [float(n) for n in np.ravel(scales)]
    sizes = call.stored(3)
    call.expect(axes=None)
    if sizes is None or sizes.size != len(call.x.shape) + 1:
        call.refuse(f"{call.kind} has neither scales nor sizes of all axes")
    return [float(to) / n for to, n in zip(np.ravel(sizes), (1, *call.x.shape), strict=True)]


def _sources(by: int, place: str, rounding: str) -> list[int]:
    """Of the second pixel's places, in one direction, where each comes from."""
    k = np.arange(by, 2 * by)
    if place == "asymmetric":
        at = k / by
    elif place in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"):
        at = (k + 0.5) / by - 0.5
    elif place == "tf_half_pixel_for_nn":
        at = (k + 0.5) / by
    else:
        return []
    found = {"floor": np.floor(at), "ceil": np.ceil(at), "round_prefer_floor": np.ceil(at - 0.5),
             "round_prefer_ceil": np.floor(at + 0.5)}.get(rounding)
    return [] if found is None else [int(n) for n in found]


def _depth_to_space(call: Call) -> Value:
    mode = call.attribute("mode", "DCR")
    return depth_to_space(call, call.x, int(call.attribute("blocksize")),
                          pixels_first=mode == "DCR")


#: Name -> what it adds.
LARGER: dict[str, Callable[[Call], Found]] = {
    "ConvTranspose": _transposed, "Resize": _resize, "Upsample": _resize,
    "DepthToSpace": _depth_to_space,
}
