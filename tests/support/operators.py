"""What random networks are made of: a table of operators, each of which draws and makes a layer, a
term of the layer before, or a join.

An operator that is added to `OPERATORS` is replayed and shrunk with the others.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hw.config import Config
from sw.graph.integer import INPUT, GraphError, IntegerGraph, Join, Layer, Pool, Term

__all__ = ["OPERATORS", "Growing", "NoSuchLayer", "Numbers", "Operator", "Shape"]

Shape = tuple[int, int, int]
#: Name -> value of what a layer is made by.
Numbers = Mapping[str, int]


class NoSuchLayer(ValueError):
    """Numbers that make no layer on their input."""


class Growing:
    """A network while it is made; `values` are its input, layers and joins in turn, by name and
    shape."""

    def __init__(self, shape: Shape):
        self.values: list[tuple[str, Shape]] = [(INPUT, shape)]
        self.layers: list[Layer] = []
        self.joins: list[Join] = []

    def value(self, back: int) -> tuple[str, Shape]:
        """The value that lies so many before the last; raises NoSuchLayer if there is none."""
        if not 0 <= back < len(self.values):
            raise NoSuchLayer(f"{back} before the last of {len(self.values)} values")
        return self.values[-1 - back]

    def add(self, layer: Layer, back: int) -> None:
        """Add a layer that reads a value."""
        name, _ = self.value(back)
        before = self.layers[-1].name if self.layers else INPUT
        self.layers.append(replace(layer, source=None if name == before else name))
        self.values.append((layer.name, layer.out_shape))

    def graph(self, name: str) -> IntegerGraph:
        """The network; raises NoSuchLayer if it is none."""
        graph = IntegerGraph(name, tuple(self.layers), 1.0, 1.0, tuple(self.joins))
        try:
            graph.check_edges()
        except GraphError as error:
            raise NoSuchLayer(str(error)) from None
        return graph


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


def _outputs(draw: random.Random, channels: int, most: int) -> dict[str, int]:
    """Groups, as many output channels for each, what is done with their sums, and how many in a
    hundred are zero whatever comes."""
    groups = draw.choice([g for g in {1, 2, 3, 4, 8, channels} if channels % g == 0])
    if draw.random() < 0.5:
        groups = 1
    return {"out": groups * draw.randint(1, max(1, most // groups)), "groups": groups,
            "low": draw.choice([0, 0, -128]), "dead": draw.choice([0, 0, 0, 50, 90])}


def _draw_convolution(draw: random.Random, shape: Shape, config: Config) -> dict[str, int]:
    channels, *size = shape
    kernel = [draw.randint(1, min(5, n)) for n in size]
    pad = [draw.randint(0, k - 1) for k in kernel]
    stride = draw.choice([1, 1, 2, 3])
    least = min((n + 2 * p - k) // stride + 1 for n, p, k in zip(size, pad, kernel, strict=True))
    pool, pool_stride, pool_pad = draw.choice(
        [(1, 1, 0), *(x for x in ((1, 1, 0), (2, 2, 0), (3, 2, 1), (2, 1, 0))
                      if least + 2 * x[2] >= x[0])])
    return {"kernel_h": kernel[0], "kernel_w": kernel[1], "pad_top": pad[0], "pad_left": pad[1],
            "stride": stride, "pool": pool, "pool_stride": pool_stride, "pool_pad": pool_pad,
            **_outputs(draw, channels, draw.choice([4, 18, 3 * config.array.cols]))}


def _draw_linear(draw: random.Random, shape: Shape, config: Config) -> dict[str, int]:
    epsilon = draw.choice([0, 0, 1, 20]) if config.array.zero_skip else 0
    return {"epsilon": epsilon,
            **_outputs(draw, shape[0], draw.choice([8, 24, 5 * config.array.cols]))}


def _make_convolution(rng: np.random.Generator, name: str, net: Growing,
                      numbers: Numbers) -> None:
    kernel, padding = _window(numbers)
    _, shape = net.value(numbers["back"])
    net.add(_make(rng, name, shape, kernel, padding, numbers), numbers["back"])


def _make_linear(rng: np.random.Generator, name: str, net: Growing, numbers: Numbers) -> None:
    flat = {"stride": 1, "pool": 1, "pool_stride": 1, "pool_pad": 0}
    _, shape = net.value(numbers["back"])
    layer = _make(rng, name, shape, shape[1:], (0, 0), {**numbers, **flat})
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
    kernel, padding = _window(numbers)
    out, groups = layer.conv_shape[0], numbers["groups"]
    if channels % groups or out % groups:
        raise NoSuchLayer(f"{name}: {groups} groups of {channels} and {out} channels")
    if (gives := _sizes(name, size, kernel, padding, numbers["stride"])) != layer.conv_shape[1:]:
        raise NoSuchLayer(f"{name}: {gives} and {layer.conv_shape[1:]} cannot be added")
    weight = rng.integers(-127, 128, (out, channels // groups, *kernel), dtype=np.int8)
    term = Term(source, weight, numbers["stride"], padding, groups, shape,
                layer.conv_shape)
    net.layers[-1] = replace(layer, terms=(*layer.terms, term))


def _make_join(rng: np.random.Generator, name: str, net: Growing, numbers: Numbers) -> None:
    parts = [net.value(numbers[n]) for n in "ab"]
    names = tuple(part for part, _ in parts)
    if len({shape[1:] for _, shape in parts}) > 1 or \
            {INPUT, *(x.name for x in net.joins)} & {*names}:
        raise NoSuchLayer(f"{name}: parts of {parts} do not match, or are no layers")
    net.joins.append(Join(name, names))
    net.values.append((name, (sum(shape[0] for _, shape in parts), *parts[0][1][1:])))


def _window(numbers: Numbers) -> tuple[tuple[int, int], tuple[int, int]]:
    """Kernel and padding."""
    return ((numbers["kernel_h"], numbers["kernel_w"]),
            (numbers["pad_top"], numbers["pad_left"]))


def _make(rng: np.random.Generator, name: str, shape: Shape, kernel: tuple[int, int],
          padding: tuple[int, int], numbers: Numbers) -> Layer:
    """A layer of random weights whose outputs spread over int8."""
    (channels, *size), out, groups = shape, numbers["out"], numbers["groups"]
    if channels % groups or out % groups:
        raise NoSuchLayer(f"{name}: {groups} groups of {channels} and {out} channels")
    conv = _sizes(name, size, kernel, padding, numbers["stride"])
    window, step, edge = (numbers[n] for n in ("pool", "pool_stride", "pool_pad"))
    pooled = _sizes(name, conv, (window, window), (edge, edge), step) if window > 1 else conv
    terms = channels // groups * kernel[0] * kernel[1]
    mult = rng.integers(1 << 13, 1 << 15, out).astype(np.uint16)
    mult[rng.integers(0, 100, out) < numbers["dead"]] = 0
    return Layer(
        name, rng.integers(-127, 128, (out, channels // groups, *kernel), dtype=np.int8),
        rng.integers(-20000, 20000, out).astype(np.int32), mult,
        np.full(out, 20 + int(np.log2(terms) / 2), np.uint8), numbers["low"], 127,
        numbers["stride"], padding, groups, shape, (out, *conv), (out, *pooled),
        Pool((window, window), (step, step), (edge, edge), pooled) if window > 1 else None)


def _sizes(name: str, size, kernel: tuple[int, int], padding: tuple[int, int],
           stride: int) -> tuple[int, int]:
    """Rows and columns that a window gives."""
    height, width = ((n + 2 * p - k) // stride + 1
                     for n, p, k in zip(size, padding, kernel, strict=True))
    if min(height, width) < 1 or any(p >= k for p, k in zip(padding, kernel, strict=True)):
        raise NoSuchLayer(f"{name}: a window of {kernel} in {size} with padding {padding}")
    return height, width


def _draw_nothing(draw: random.Random, shape: Shape, config: Config) -> dict[str, int]:
    """What depends on other values than one is drawn where they are known."""
    return {}


_OUTPUTS = {"out": 1, "groups": 1, "low": 0, "dead": 0, "back": 0}
_WINDOW = {"kernel_h": 1, "kernel_w": 1, "pad_top": 0, "pad_left": 0, "stride": 1}
#: Name, as in a recipe -> operator.
OPERATORS = {
    "conv": Operator(
        {**_WINDOW, "pool": 1, "pool_stride": 1, "pool_pad": 0, **_OUTPUTS},
        _draw_convolution, _make_convolution),
    "fc": Operator({"epsilon": 0, **_OUTPUTS}, _draw_linear, _make_linear),
    "plus": Operator({**_WINDOW, "groups": 1, "back": 0}, _draw_nothing, _make_term),
    "join": Operator({"a": 0, "b": 0}, _draw_nothing, _make_join),
}
