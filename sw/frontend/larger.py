"""torch's operators that make maps larger, by their names in ATen."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sw.ir.graph import Value
from sw.ir.phases import Transposed, depth_to_space, nearest, transposed

from .call import Call

__all__ = ["LARGER"]


def _transposed(call: Call) -> Value:
    weight, bias, groups = call.stored("weight"), call.stored("bias"), int(call["groups"])
    assert weight is not None
    stride, dilation = call.pair("stride", (1, 1)), call.pair("dilation", (1, 1))
    padding, x = call.pair("padding", (0, 0)), call.as_map(call.x)
    if weight.ndim == 3:
        weight = weight[:, :, None]
        stride, dilation, padding = (1, stride[1]), (1, dilation[1]), (0, padding[1])
    if len(x.shape) != 3:
        call.refuse("a transposed convolution cannot follow flatten")
    steps = call.steps("weight", 1)
    if steps is not None and groups > 1:
        call.refuse("a transposed convolution of a quantised model has groups; only of one it runs")
    outputs = weight.shape[1] * groups
    rows, columns = (1, *call.result_shape()[1:])[-2:]
    how = Transposed(stride, padding, dilation, (rows, columns), groups)
    found = transposed(call, x, weight, np.zeros(outputs, np.float32) if bias is None else bias,
                       how, steps)
    return call.as_rows(found, call.x)


def _nearest(call: Call) -> Value:
    for name in ("scale_factors", "scales", "scales_h", "scales_w"):
        given = np.ravel(call.arguments.get(name) or ())
        if (given != np.round(given)).any():
            call.refuse(f"scales by {', '.join(f'{x:g}' for x in given)}; only whole numbers run")
    x, to = call.as_map(call.x), (1, *call.result_shape()[1:])[-2:]
    by = to[0] // x.shape[1], to[1] // x.shape[2]
    if (by[0] * x.shape[1], by[1] * x.shape[2]) != to:
        call.refuse(f"scales {list(x.shape[1:])} to {list(to)}; only whole numbers of rows and "
                    "columns for each run")
    return call.as_rows(nearest(call, x, by), call.x)


#: Name -> what it adds.
LARGER: dict[str, Callable[[Call], Any]] = {
    "conv_transpose1d": _transposed, "conv_transpose2d": _transposed,
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d", "_upsample_nearest_exact1d",
                     "_upsample_nearest_exact2d"), _nearest),
    "pixel_shuffle": lambda call: depth_to_space(call, call.x, int(call["upscale_factor"])),
}
