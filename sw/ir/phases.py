"""Convolutions that make maps larger, as small ones for each of the larger map's pixels in turn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .building import Builder
from .graph import Value
from .operators import Conv, Gather, Interleave

__all__ = ["Transposed", "depth_to_space", "nearest", "transposed"]


@dataclass(frozen=True)
class Transposed:
    """How a transposed convolution goes over a map; each (rows, columns).

    Members: `stride`, `padding`, which is what is left out above and to the left, `dilation`, the
    `output`, and `groups`.
    """

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    output: tuple[int, int]
    groups: int = 1


def transposed(builder: Builder, x: Value, weight: np.ndarray, bias: np.ndarray, how: Transposed,
               steps: np.ndarray | None = None) -> Value:
    """Add a transposed convolution of a map.

    Output y = stride * m + phase takes tap k of input m + (phase + padding - k * dilation) / stride
    where that is whole: for each phase a convolution with some of the taps.

    Parameters
    ----------
    weight : float32[in, out / groups, rows, columns]
    steps : as of `Conv`
    """
    if min(how.output) < 1:
        builder.refuse(f"gives {list(how.output)} pixels: padding of {list(how.padding)} leaves "
                       "nothing")
    inputs, per_group, *kernel = weight.shape
    grouped = weight.reshape(how.groups, inputs // how.groups, per_group, *kernel)
    forward = grouped.transpose(0, 2, 1, 3, 4).reshape(-1, inputs // how.groups, *kernel)
    by = min(how.stride[0], how.output[0]), min(how.stride[1], how.output[1])
    rows, columns = (
        [_phase(kernel[axis], how, axis, phase, x.shape[1 + axis]) for phase in range(by[axis])]
        for axis in (0, 1))
    parts = [builder.add(Conv(
        np.ascontiguousarray(_taps(_taps(forward, 2, high.taps), 3, wide.taps)), bias,
        padding=(high.before, wide.before, high.after, wide.after),
        dilation=(high.step, wide.step), groups=how.groups, steps=steps), x)
        for high in rows for wide in columns]
    return parts[0] if len(parts) == 1 else builder.add(Interleave(by), *parts)


@dataclass(frozen=True)
class _Phase:
    """Of one axis: the kernel's `taps` from the first input on, -1 for zeros, `step` inputs apart,
    and how much padding is before and after."""

    taps: tuple[int, ...]
    step: int
    before: int
    after: int


def _phase(kernel: int, how: Transposed, axis: int, phase: int, size: int) -> _Phase:
    stride, padding, dilation = how.stride[axis], how.padding[axis], how.dilation[axis]
    places = {(phase + padding - k * dilation) // stride: k for k in range(kernel)
              if (phase + padding - k * dilation) % stride == 0}
    first, last = min(places, default=0), max(places, default=0)
    step = min((b - a for a, b in zip(sorted(places), sorted(places)[1:], strict=False)), default=1)
    if first > 0:  # a convolution begins at or above its map
        first -= -(-first // step) * step
    taps = tuple(places.get(k, -1) for k in range(first, last + 1, step))
    count = len(range(phase, how.output[axis], stride))
    return _Phase(taps, step, -first, count + last - size)


def _taps(weight: np.ndarray, axis: int, taps: Sequence[int]) -> np.ndarray:
    """Some places of an axis, zeros for -1."""
    some = weight.take([max(0, k) for k in taps], axis)
    shape = [1] * weight.ndim
    shape[axis] = len(taps)
    return some * (np.array(taps) >= 0).reshape(shape).astype(weight.dtype)


def nearest(builder: Builder, x: Value, by: tuple[int, int]) -> Value:
    """Add a map of which each pixel is there so many rows and columns."""
    return x if by == (1, 1) else builder.add(Interleave(by), *[x] * (by[0] * by[1]))


def depth_to_space(builder: Builder, x: Value, by: int, *, pixels_first: bool = False) -> Value:
    """Add a map whose pixels are another's channels, `by` rows and columns of them: for each
    channel those of its pixels, or for each pixel (`pixels_first`) all channels."""
    count = by * by
    if x.shape[0] % count:
        builder.refuse(f"makes {by} x {by} pixels of {x.shape[0]} channels; they must be a "
                       f"multiple of {count}")
    channels = np.arange(x.shape[0]).reshape((count, -1) if pixels_first else (-1, count))
    of = channels if pixels_first else channels.T
    return builder.add(Interleave((by, by)), *(
        builder.add(Gather(tuple(int(c) for c in of[k])), x) for k in range(count)))
