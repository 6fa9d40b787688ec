"""What random networks are made of: a table of operators, each of which draws and makes a layer, a
term of the layer before, or a join.

An operator that is added to `OPERATORS` is replayed and shrunk with the others.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hw.config import Config
from sw.graph.integer import INPUT, GraphError, IntegerGraph, Join, Layer, Pool, Term
from sw.graph.records import FACTOR, RECORD

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


#: What padding reads as, and what is added to outputs.
_ZERO_POINTS = (0, 0, 0, -128, 127, -3)


def _outputs(draw: random.Random, channels: int, most: int, config: Config) -> dict[str, int]:
    """Groups, as many output channels for each, what is done with their sums, and how many in a
    hundred are zero whatever comes."""
    groups = draw.choice([g for g in {1, 2, 3, 4, 8, channels} if channels % g == 0])
    if draw.random() < 0.5:
        groups = 1
    return {"out": groups * draw.randint(1, max(1, most // groups)), "groups": groups,
            "low": draw.choice([0, 0, -128]), "offset": draw.choice(_ZERO_POINTS),
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
    stride, stride_w = draw.choice([1, 1, 2, 3]), draw.choice([0, 0, 0, 1, 2, 3])
    gives = [(n + 2 * p - r) // s + 1 for n, p, r, s in zip(
        size, pad, reach, (stride, stride_w or stride), strict=True)]
    pool, pool_stride, pool_pad = draw.choice(
        [(1, 1, 0), *(x for x in ((1, 1, 0), (2, 2, 0), (3, 2, 1), (2, 1, 0))
                      if min(gives) + 2 * x[2] >= x[0])])
    columns = draw.choice([0, 0, 1, 2]) if pool > 1 and gives[1] + 2 * pool_pad >= 2 else 0
    return {"kernel_h": kernel[0], "kernel_w": kernel[1], "pad_top": pad[0], "pad_left": pad[1],
            "pad_value": draw.choice(_ZERO_POINTS), "stride": stride, "stride_w": stride_w,
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
    net.add(_make(rng, name, shape, _Window.of(numbers), numbers), numbers["back"])


def _make_linear(rng: np.random.Generator, name: str, net: Growing, numbers: Numbers) -> None:
    _, shape = net.value(numbers["back"])
    layer = _make(rng, name, shape, _Window(shape[1:]), {**numbers, "pool": 1, "pool_w": 0})
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
    window = _Window.of(numbers)
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


def _draw_excite(draw: random.Random, shape: Shape, config: Config) -> dict[str, int]:
    return {"low": draw.choice([0, -128, -128]), "offset": draw.choice(_ZERO_POINTS),
            "dead": draw.choice([0, 0, 50]), "shift": draw.randint(6, 15)}


def _make_excite(rng: np.random.Generator, name: str, net: Growing, numbers: Numbers) -> None:
    """A value times what a layer makes of each of its channels: that layer, the one that gives
    factors of it, and the multiplication."""
    source, shape = net.value(numbers["back"])
    channels = shape[0]
    made = _make(rng, f"{name}s", shape, _Window(shape[1:]), {
        **_OUTPUTS, "out": channels, "groups": channels, "pool": 1, "pool_w": 0,
        "dead": numbers["dead"]})
    net.add(made, numbers["back"])
    records = np.zeros((channels, RECORD), np.int32)
    records[:, :FACTOR] = rng.integers(-9000, 9000, channels).astype("<i4").view(
        np.int8).reshape(channels, FACTOR)
    records[:, 6] = numbers["shift"]
    weight = np.zeros((channels, RECORD, 1, 1), np.int8)
    weight[:, FACTOR] = 1
    flat = RECORD * channels
    net.layers.append(replace(
        made, name=f"{name}f", weight=weight.reshape(flat, 1, 1, 1),
        bias=records.reshape(flat), mult=np.full(flat, 1 << 14, np.uint16),
        shift=np.full(flat, 14, np.uint8), low=-128, in_shape=(channels, 1, 1),
        conv_shape=(flat, 1, 1), out_shape=(flat, 1, 1), source=None))
    zero = np.zeros(channels, np.uint8)
    net.layers.append(Layer(
        name, rng.integers(-127, 128, (channels, 1, 1, 1), dtype=np.int8),
        zero.astype(np.int32), zero.astype(np.uint16), zero, numbers["low"], 127, (1, 1), (0, 0),
        channels, shape, shape, shape, offset=numbers["offset"], source=source,
        factors=f"{name}f"))
    net.values.append((name, shape))


@dataclass(frozen=True)
class _Window:
    """How a kernel, or a pooling window, goes over a map; each (rows, columns)."""

    kernel: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, numbers: Numbers) -> "_Window":
        """A convolution's."""
        return cls((numbers["kernel_h"], numbers["kernel_w"]),
                   (numbers["pad_top"], numbers["pad_left"]),
                   (numbers["stride"], numbers["stride_w"] or numbers["stride"]),
                   (numbers["dilation_h"], numbers["dilation_w"]))

    @classmethod
    def of_pool(cls, numbers: Numbers) -> "_Window":
        """That of the pooling after it."""
        rows, step, edge = (numbers[n] for n in ("pool", "pool_stride", "pool_pad"))
        return cls((rows, numbers["pool_w"] or rows), (edge, edge),
                   (step, numbers["pool_stride_w"] or step))

    def sizes(self, name: str, size: Sequence[int]) -> tuple[int, int]:
        """Rows and columns that it gives."""
        reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        height, width = ((n + 2 * p - r) // s + 1 for n, p, r, s in zip(
            size, self.padding, reach, self.stride, strict=True))
        if min(height, width) < 1 or any(p >= r for p, r in zip(self.padding, reach, strict=True)):
            raise NoSuchLayer(f"{name}: a window of {self.kernel} in {size} with padding "
                              f"{self.padding}")
        return height, width


def _make(rng: np.random.Generator, name: str, shape: Shape, window: _Window,
          numbers: Numbers) -> Layer:
    """A layer of random weights whose outputs spread over int8."""
    (channels, *size), out, groups = shape, numbers["out"], numbers["groups"]
    if channels % groups or out % groups:
        raise NoSuchLayer(f"{name}: {groups} groups of {channels} and {out} channels")
    conv = pooled = window.sizes(name, size)
    pool = None
    if max(numbers["pool"], numbers["pool_w"]) > 1:
        over = _Window.of_pool(numbers)
        pooled = over.sizes(name, conv)
        pool = Pool(over.kernel, over.stride, over.padding, pooled)
    terms = channels // groups * window.kernel[0] * window.kernel[1]
    mult = rng.integers(1 << 13, 1 << 15, out).astype(np.uint16)
    mult[rng.integers(0, 100, out) < numbers["dead"]] = 0
    return Layer(
        name, rng.integers(-127, 128, (out, channels // groups, *window.kernel), dtype=np.int8),
        rng.integers(-20000, 20000, out).astype(np.int32), mult,
        np.full(out, 20 + int(np.log2(terms) / 2), np.uint8), numbers["low"], 127,
        window.stride, window.padding, groups, shape, (out, *conv), (out, *pooled), pool,
        dilation=window.dilation, pad_value=numbers.get("pad_value", 0), offset=numbers["offset"],
        table=_table(rng, numbers["table"], out, rises=pool is not None))


def _table(rng: np.random.Generator, kind: int, out: int, rises: bool) -> np.ndarray | None:
    """No table, one for all channels, or one for each."""
    if not kind:
        return None
    table = rng.integers(-128, 128, (1 if kind == 1 else out, 256), dtype=np.int8)
    return np.sort(table, axis=1) if rises else table


def _draw_nothing(draw: random.Random, shape: Shape, config: Config) -> dict[str, int]:
    """What depends on other values than one is drawn where they are known."""
    return {}


_OUTPUTS = {"out": 1, "groups": 1, "low": 0, "offset": 0, "dead": 0, "table": 0, "back": 0}
#: A `stride_w`, `pool_w` or `pool_stride_w` of 0 is as that of the rows.
_WINDOW = {"kernel_h": 1, "kernel_w": 1, "pad_top": 0, "pad_left": 0, "pad_value": 0, "stride": 1,
           "stride_w": 0, "dilation_h": 1, "dilation_w": 1}
#: Name, as in a recipe -> operator.
OPERATORS = {
    "conv": Operator(
        {**_WINDOW, "pool": 1, "pool_w": 0, "pool_stride": 1, "pool_stride_w": 0, "pool_pad": 0,
         **_OUTPUTS},
        _draw_convolution, _make_convolution),
    "fc": Operator({"epsilon": 0, **_OUTPUTS}, _draw_linear, _make_linear),
    "excite": Operator({"low": 0, "offset": 0, "dead": 0, "shift": 0, "back": 0},
                       _draw_excite, _make_excite),
    "plus": Operator({**_WINDOW, "groups": 1, "back": 0}, _draw_nothing, _make_term),
    "join": Operator({"a": 0, "b": 0}, _draw_nothing, _make_join),
    "weave": Operator({"rows": 1, "columns": 2, "span": 1, "back": 0}, _draw_nothing, _make_weave),
}
