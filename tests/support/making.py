"""Random networks while they are made, and layers of random weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sw.graph.integer import INPUT, GraphError, IntegerGraph, Join, Layer, Pool

__all__ = ["OUTPUTS", "ZERO_POINTS", "Growing", "NoSuchLayer", "Numbers", "Shape", "Window",
           "make_layer"]

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


#: Simplest numbers of what is done with sums.
OUTPUTS = {"out": 1, "groups": 1, "low": 0, "offset": 0, "dead": 0, "table": 0, "back": 0}
#: What padding reads as, and what is added to outputs.
ZERO_POINTS = (0, 0, 0, -128, 127, -3)


@dataclass(frozen=True)
class Window:
    """How a kernel, or a pooling window, goes over a map; each (rows, columns)."""

    kernel: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, numbers: Numbers) -> "Window":
        """A convolution's."""
        return cls((numbers["kernel_h"], numbers["kernel_w"]),
                   (numbers["pad_top"], numbers["pad_left"]),
                   (numbers["stride"], numbers["stride_w"] or numbers["stride"]),
                   (numbers["dilation_h"], numbers["dilation_w"]))

    @classmethod
    def of_pool(cls, numbers: Numbers) -> "Window":
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


def make_layer(rng: np.random.Generator, name: str, shape: Shape, window: Window,
          numbers: Numbers) -> Layer:
    """A layer of random weights whose outputs spread over int8."""
    (channels, *size), out, groups = shape, numbers["out"], numbers["groups"]
    if channels % groups or out % groups:
        raise NoSuchLayer(f"{name}: {groups} groups of {channels} and {out} channels")
    conv = pooled = window.sizes(name, size)
    pool = None
    if max(numbers["pool"], numbers["pool_w"]) > 1:
        over = Window.of_pool(numbers)
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
        table=random_table(rng, numbers["table"], out, rises=pool is not None))


def random_table(rng: np.random.Generator, kind: int, out: int, rises: bool) -> np.ndarray | None:
    """No table, one for all channels, or one for each."""
    if not kind:
        return None
    table = rng.integers(-128, 128, (1 if kind == 1 else out, 256), dtype=np.int8)
    return np.sort(table, axis=1) if rises else table
