"""The golden model: every layer in exact integers, from the integer specification alone.

    act = 0 where |input| <= epsilon, else input      int8; around the map, pad_value
    acc = sum of act * weight, over all terms         int32
    p   = (acc + bias) * mult                         int48; bias, mult and shift may be a value's
    r   = p if shift == 0 else (p + 2^(shift - 1)) >> shift
    y   = clamp(r + offset, low, high), then its table's entry of y, then max pooling

A layer reads the value that it names, or the one before; a join's channels lie one after the other.
Of a join that interleaves rows x columns, pixel (y, x) is that of source (y mod rows) * columns
+ x mod columns at (y div rows, x div columns); tiles lie beside each other. Padding below 0 leaves
the map's first rows or columns out.

Sums run in floating point where every partial sum is an integer that the format holds exactly:
float32 below 2^24, else float64 below 2^53, so BLAS gives the exact result in any order.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from sw.graph.convolution import Convolution
from sw.graph.edges import Edges
from sw.graph.flow import expect
from sw.graph.integer import INPUT, IntegerGraph, Layer
from sw.graph.records import parameters_in

__all__ = ["convolve", "joined", "look_up", "requantise", "run_golden", "run_layer"]

_BLOCK_BYTES = 64 << 20  # weights and patches are converted in pieces of this size


def run_golden(graph: IntegerGraph, image: np.ndarray) -> list[np.ndarray]:
    """Return every layer's output int8[C, H, W] for an input int8[C, H, W].

    Raises
    ------
    FlowError
        If the graph is not one that `quantise` made.
    ValueError
        If type or shape of the input is wrong.
    """
    expect(graph, IntegerGraph, "run_golden")
    image = np.asarray(image)
    if image.dtype != np.int8 or image.shape != tuple(graph.in_shape):
        raise ValueError(f"input is {image.dtype}{list(image.shape)}; {graph.name} takes "
                         f"int8{list(graph.in_shape)}")
    values = {INPUT: image}
    for k, layer in enumerate(graph.layers):
        inputs = [joined(graph, source, values) for source in graph.inputs(k)]
        values[layer.name] = run_layer(layer, *inputs)
    return [values[layer.name] for layer in graph.layers]


def joined(graph: Edges, value: str, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a value [C, H, W] of those of layers."""
    parts, (rows, columns) = [values[part] for part in graph.parts(value)], graph.by(value)
    if (rows, columns) == (1, 1):
        return np.concatenate(parts)
    if graph.tiled(value):
        return np.concatenate([np.concatenate(parts[k:k + columns], 2)
                               for k in range(0, len(parts), columns)], 1)
    whole = np.empty(graph.value_shape(value), parts[0].dtype)
    for k, part in enumerate(parts):
        whole[:, k // columns::rows, k % columns::columns] = part
    return whole


def run_layer(layer: Layer, image: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Return one layer's output int8[C, H, W] for what it reads, and `others` that its terms do,
    and its factors."""
    if layer.factors is not None:
        bias, mult, shift = parameters_in(others[-1])
        layer = replace(layer, bias=bias, mult=mult, shift=shift)
    acc = convolve(layer, _without_small(image, layer.epsilon))
    for term, value in zip(layer.terms, others[:len(layer.terms)], strict=True):
        acc = acc + convolve(term, value)
    y = look_up(requantise(acc, layer), layer.table)
    return y if layer.pool is None else max_pool(y, layer)


def _without_small(image: np.ndarray, epsilon: int) -> np.ndarray:
    return np.where(np.abs(image.astype(np.int16)) <= epsilon, np.int8(0), image)


def _patches(layer: Convolution, image: np.ndarray) -> np.ndarray:
    """int8[in channels, kernel rows, kernel columns, output rows, output columns]."""
    (sy, sx), (dy, dx), reach = layer.stride, layer.dilation, layer.reach
    _, rows, columns = layer.conv_shape
    image = image[:, max(0, -layer.padding[0]):, max(0, -layer.padding[1]):]
    top, left = (max(0, n) for n in layer.padding)
    channels, height, width = image.shape
    padded = np.full((channels, max((rows - 1) * sy + reach[0], top + height),
                      max((columns - 1) * sx + reach[1], left + width)), layer.pad_value, np.int8)
    padded[:, top:top + height, left:left + width] = image
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(1, 2))
    windows = windows[:, :(rows - 1) * sy + 1:sy, :(columns - 1) * sx + 1:sx, ::dy, ::dx]
    return windows.transpose(0, 3, 4, 1, 2)


def _row_blocks(weight: np.ndarray) -> Iterator[slice]:
    rows = max(1, _BLOCK_BYTES // (8 * weight.shape[1]))
    for start in range(0, weight.shape[0], rows):
        yield slice(start, start + rows)


def convolve(layer: Convolution, image: np.ndarray) -> np.ndarray:
    """Return the sums int64[out, rows, columns] of a layer's own convolution, or of a term."""
    out = layer.weight.shape[0]
    _, rows, columns = layer.conv_shape
    per_group_out, per_group_in = out // layer.groups, layer.weight.shape[1]
    weight = layer.weight.reshape(out, -1)
    patches = _patches(layer, image)
    # Any partial sum is at most 128 * 128 a term.
    dtype = np.float32 if weight.shape[1] * 128 * 128 < 1 << 24 else np.float64
    acc = np.empty((out, rows * columns), np.int64)
    for g in range(layer.groups):
        x = patches[g * per_group_in:(g + 1) * per_group_in].reshape(weight.shape[1], -1)
        x = np.ascontiguousarray(x, dtype)
        mine = slice(g * per_group_out, (g + 1) * per_group_out)
        for block in _row_blocks(weight[mine]):
            # BLAS computes on what lies beside a matrix, too, and may flag that; the sums are whole
            with np.errstate(all="ignore"):
                sums = weight[mine][block].astype(dtype) @ x
            acc[mine][block] = sums
    return acc.reshape(out, rows, columns)


def requantise(acc: np.ndarray, layer: Layer) -> np.ndarray:
    """Return int8 of accumulators int64[out, ...]: bias, multiplier, rounding shift, offset,
    clamp."""
    column = (-1,) + (1,) * (acc.ndim - 1)
    shift = layer.shift.astype(np.int64).reshape(column)
    half = np.where(shift > 0, 1 << np.maximum(shift - 1, 0), 0)
    product = (acc + layer.bias.reshape(column)) * layer.mult.astype(np.int64).reshape(column)
    rounded = ((product + half) >> shift) + layer.offset
    return np.clip(rounded, layer.low, layer.high).astype(np.int8)


def look_up(y: np.ndarray, table: np.ndarray | None) -> np.ndarray:
    """Return the entries int8[C, H, W] of tables int8[1 or C, 256], whose first is of -128."""
    if table is None:
        return y
    index = y.astype(np.int64) + 128
    return np.stack([table[channel % len(table)][index[channel]] for channel in range(len(y))])


def max_pool(y: np.ndarray, layer: Layer) -> np.ndarray:
    """Return the maximum over each window of int8[C, H, W]; outside positions do not count."""
    pool = layer.pool
    if pool is None:
        return y
    channels, height, width = y.shape
    best = np.full((channels, *pool.out), -128, np.int8)
    for ky in range(pool.kernel[0]):
        for kx in range(pool.kernel[1]):
            at_y = np.arange(pool.out[0]) * pool.stride[0] - pool.padding[0] + ky
            at_x = np.arange(pool.out[1]) * pool.stride[1] - pool.padding[1] + kx
            in_y, in_x = (at_y >= 0) & (at_y < height), (at_x >= 0) & (at_x < width)
            part = best[:, in_y][:, :, in_x]
            best[np.ix_(np.arange(channels), in_y, in_x)] = np.maximum(
                part, y[:, at_y[in_y]][:, :, at_x[in_x]])
    return best
