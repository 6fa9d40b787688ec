"""A matrix times the last dimension of a value, as a convolution of the map that it is."""

import numpy as np

from sw.ir.operators import Conv, Linear

from .views import View

__all__ = ["by_group", "by_pixel"]

#: A convolution, and the places in its result of what the matrix gives, [positions, out].
_Found = tuple[Conv, np.ndarray]


def by_pixel(view: View, op: Linear) -> _Found | None:
    """A 1x1 convolution, where the last dimension is of the same channels of one pixel after the
    other; None where it is not."""
    pixels = view.of[1] * view.of[2]
    channels, pixel = np.divmod(view.places.reshape(-1, view.shape[-1]), pixels)
    if (channels != channels[0]).any() or (pixel != pixel[:, :1]).any():
        return None
    weight = np.zeros((len(op.weight), view.of[0]), np.float32)
    np.add.at(weight.T, channels[0], op.weight.T)
    return Conv(weight[:, :, None, None], op.bias, steps=op.steps), \
        np.arange(len(weight)) * pixels + pixel[:, :1]


def by_group(view: View, op: Linear) -> _Found | None:
    """A convolution of groups that have equal weights, where the last dimension is a row of a
    channel, or some whole channels; None where it is neither."""
    channels, rows, columns = view.of
    out, last = op.weight.shape
    if view.order is not None:
        return None
    if last == columns:
        each, kernel, high = 1, (1, columns), rows
    elif last % (rows * columns) == 0 and channels % (last // (rows * columns)) == 0:
        each, kernel, high = last // (rows * columns), (rows, columns), 1
    else:
        return None
    groups = channels // each
    weight = np.tile(op.weight.reshape(out, each, *kernel), (groups, 1, 1, 1))
    places = np.arange(groups * out * high).reshape(groups, out, high).swapaxes(1, 2)
    return Conv(weight, np.tile(op.bias, groups), groups=groups,
                steps=None if op.steps is None else np.tile(op.steps, groups)), \
        places.reshape(-1, out)
