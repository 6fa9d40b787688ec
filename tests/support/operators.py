"""What random networks are made of: a table of operators, each of which draws and makes a layer, a
term of the layer before, or a join.

An operator that is added to `OPERATORS` is replayed and shrunk with the others.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hw.config import Config
from sw.graph.integer import INPUT, Join, Term

from .excite import draw_excite, make_excite
from .making import (
    OUTPUTS,
    ZERO_POINTS,
    Growing,
    NoSuchLayer,
    Numbers,
    Shape,
    Window,
    make_layer,
)

__all__ = ["OPERATORS", "Growing", "NoSuchLayer", "Numbers", "Operator", "Shape"]


@dataclass(frozen=True)
class Operator:
    """A kind of layer.

    Members
    -------
    simplest : name -> simplest value of each of its numbers
    draw : (random, its input's shape, config) -> numbers, all or some of them
    make : (random weights, name, network, all numbers) adds it to the network

    Raises
    ------
    NoSuchLayer
        Of `make`.
    """

    simplest: dict[str, int]
    draw: Callable[[random.Random, Shape, Config], dict[str, int]]
    make: Callable[[np.random.Generator, str, Growing, Numbers], None]


def _outputs(draw: random.Random, channels: int, most: int, config: Config) -> dict[str, int]:
    """Groups, as many output channels for each, what is done with their sums, and how many in a
    hundred are zero whatever comes."""
    groups = draw.choice([g for g in {1, 2, 3, 4, 8, channels} if channels % g == 0])
    if draw.random() < 0.5:
        groups = 1
    return {"out": groups * draw.randint(1, max(1, most // groups)), "groups": groups,
            "low": draw.choice([0, 0, -128]), "offset": draw.choice(ZERO_POINTS),
            "dead": draw.choice([0, 0, 0, 50, 90]),
            "table": draw.choice([0, 0, 1, 2]) if config.array.tables else 0}


def _draw_convolution(draw: random.Random, shape: Shape, config: Config) -> dict[str, int]:
    channels, *size = shape
    kernel = [draw.randint(1, min(5, n)) for n in size]
    reach, dilation = [*kernel], [1, 1]
    for axis, n in enumerate(kernel):
        if n > 1 and draw.random() < 0.25:
            dilation[axis] = draw.choice([2, 2, 3, 11])
            reach[axis] = (n - 1) * dilation[axis] + 1
    least_pad = [-(-max(0, r - n) // 2) for r, n in zip(reach, size, strict=True)]
    pad = [draw.randint(least, r - 1) for r, least in zip(reach, least_pad, strict=True)]
    for axis, (n, r) in enumerate(zip(size, reach, strict=True)):
        if n > r + 1 and draw.random() < 0.1:  # rows or columns are left out
            pad[axis] = -draw.randint(1, (n - r) // 2)
    stride, stride_w = draw.choice([1, 1, 2, 3]), draw.choice([0, 0, 0, 1, 2, 3])
    gives = [(n + 2 * p - r) // s + 1 for n, p, r, s in zip(
        size, pad, reach, (stride, stride_w or stride), strict=True)]
    pool, pool_stride, pool_pad = draw.choice(
        [(1, 1, 0), *(x for x in ((1, 1, 0), (2, 2, 0), (3, 2, 1), (2, 1, 0))
                      if min(gives) + 2 * x[2] >= x[0])])
    columns = draw.choice([0, 0, 1, 2]) if pool > 1 and gives[1] + 2 * pool_pad >= 2 else 0
    return {"kernel_h": kernel[0], "kernel_w": kernel[1], "pad_top": pad[0], "pad_left": pad[1],
            "pad_value": draw.choice(ZERO_POINTS), "stride": stride, "stride_w": stride_w,
            "dilation_h": dilation[0], "dilation_w": dilation[1], "pool": pool,
            "pool_stride": pool_stride, "pool_pad": pool_pad,
            "pool_w": columns if columns > pool_pad else 0,
            "pool_stride_w": draw.choice([0, 0, 1, 2, 3]) if pool > 1 else 0,
            **_outputs(draw, channels, draw.choice([4, 18, 3 * config.array.cols]), config)}


def _draw_linear(draw: random.Random, shape: Shape, config: Config) -> dict[str, int]:
    outputs = _outputs(draw, shape[0], draw.choice([8, 24, 5 * config.array.cols]), config)
    skips = config.array.zero_skip and not outputs["table"]
    return {"epsilon": draw.choice([0, 0, 1, 20]) if skips else 0, **outputs}


def _make_convolution(rng: np.random.Generator, name: str, net: Growing,
                      numbers: Numbers) -> None:
    _, shape = net.value(numbers["back"])
    net.add(make_layer(rng, name, shape, Window.of(numbers), numbers), numbers["back"])


def _make_linear(rng: np.random.Generator, name: str, net: Growing, numbers: Numbers) -> None:
    _, shape = net.value(numbers["back"])
    layer = make_layer(rng, name, shape, Window(shape[1:]), {**numbers, "pool": 1, "pool_w": 0})
    net.add(replace(layer, epsilon=numbers["epsilon"]), numbers["back"])


def _make_term(rng: np.random.Generator, name: str, net: Growing, numbers: Numbers) -> None:
    """A term of the last layer; `back` counts from the value before it."""
    last = net.values[-1][0]
    if not net.layers or last != net.layers[-1].name:
        raise NoSuchLayer(f"{name}: a term without a layer before it")
    layer = net.layers[-1]
    if layer.epsilon:
        raise NoSuchLayer(f"{name}: a term of a layer with epsilon")
    source, shape = net.value(numbers["back"] + 1)
    channels, *size = shape
    window = Window.of(numbers)
    out, groups = layer.conv_shape[0], numbers["groups"]
    if channels % groups or out % groups:
        raise NoSuchLayer(f"{name}: {groups} groups of {channels} and {out} channels")
    if (gives := window.sizes(name, size)) != layer.conv_shape[1:]:
        raise NoSuchLayer(f"{name}: {gives} and {layer.conv_shape[1:]} cannot be added")
    weight = rng.integers(-127, 128, (out, channels // groups, *window.kernel), dtype=np.int8)
    term = Term(source, weight, window.stride, window.padding, groups, shape, layer.conv_shape,
                window.dilation, numbers["pad_value"])
    net.layers[-1] = replace(layer, terms=(*layer.terms, term))


def _make_join(rng: np.random.Generator, name: str, net: Growing, numbers: Numbers) -> None:
    parts = [net.value(numbers[n]) for n in "ab"]
    names = tuple(part for part, _ in parts)
    if len({shape[1:] for _, shape in parts}) > 1 or \
            {INPUT, *(x.name for x in net.joins)} & {*names}:
        raise NoSuchLayer(f"{name}: parts of {parts} do not match, or are no layers")
    net.joins.append(Join(name, names))
    net.values.append((name, (sum(shape[0] for _, shape in parts), *parts[0][1][1:])))


def _make_weave(rng: np.random.Generator, name: str, net: Growing, numbers: Numbers) -> None:
    """Pixels of a value in turn with those of as many values before it as `span` says."""
    by = numbers["rows"], numbers["columns"]
    parts = [net.value(numbers["back"] + k % numbers["span"]) for k in range(by[0] * by[1])]
    names = tuple(part for part, _ in parts)
    if len({shape for _, shape in parts}) > 1 or max(by) < 2 or \
            {INPUT, *(x.name for x in net.joins)} & {*names}:
        raise NoSuchLayer(f"{name}: parts of {parts} do not match, or are no layers")
    net.joins.append(Join(name, names, by))
    channels, rows, columns = parts[0][1]
    net.values.append((name, (channels, rows * by[0], columns * by[1])))


def _make_tiles(rng: np.random.Generator, name: str, net: Growing, numbers: Numbers) -> None:
    """A value beside and below itself, or as many values before it as `span` says."""
    by = numbers["rows"], numbers["columns"]
    parts = [net.value(numbers["back"] + k % numbers["span"]) for k in range(by[0] * by[1])]
    names, shapes = (tuple(x) for x in zip(*parts, strict=True))
    high, wide = shapes[::by[1]], shapes[:by[1]]
    if max(by) < 2 or {INPUT, *(x.name for x in net.joins)} & {*names} or any(
            x != (shapes[0][0], high[k // by[1]][1], wide[k % by[1]][2])
            for k, x in enumerate(shapes)):
        raise NoSuchLayer(f"{name}: parts of {parts} do not match, or are no layers")
    net.joins.append(Join(name, names, by, tiled=True))
    net.values.append((name, (shapes[0][0], sum(x[1] for x in high), sum(x[2] for x in wide))))


def _draw_nothing(draw: random.Random, shape: Shape, config: Config) -> dict[str, int]:
    """What depends on other values than one is drawn where they are known."""
    return {}


#: A `stride_w`, `pool_w` or `pool_stride_w` of 0 is as that of the rows.
_WINDOW = {"kernel_h": 1, "kernel_w": 1, "pad_top": 0, "pad_left": 0, "pad_value": 0, "stride": 1,
           "stride_w": 0, "dilation_h": 1, "dilation_w": 1}
#: Name, as in a recipe -> operator.
OPERATORS = {
    "conv": Operator(
        {**_WINDOW, "pool": 1, "pool_w": 0, "pool_stride": 1, "pool_stride_w": 0, "pool_pad": 0,
         **OUTPUTS},
        _draw_convolution, _make_convolution),
    "fc": Operator({"epsilon": 0, **OUTPUTS}, _draw_linear, _make_linear),
    "excite": Operator({"low": 0, "offset": 0, "dead": 0, "shift": 0, "back": 0},
                       draw_excite, make_excite),
    "plus": Operator({**_WINDOW, "groups": 1, "back": 0}, _draw_nothing, _make_term),
    "join": Operator({"a": 0, "b": 0}, _draw_nothing, _make_join),
    "weave": Operator({"rows": 1, "columns": 2, "span": 1, "back": 0}, _draw_nothing, _make_weave),
    "tiles": Operator({"rows": 1, "columns": 2, "span": 1, "back": 0}, _draw_nothing, _make_tiles),
}
