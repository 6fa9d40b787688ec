"""Draws random graphs: sums, joins, and values that several layers read."""

import random
from collections.abc import Iterator

import numpy as np

from hw.config import Config
from sw.lowering.encoding import multiplies

from .operators import OPERATORS, Growing, NoSuchLayer, Shape
from .recipes import LayerRecipe

__all__ = ["draw_graph"]

_MOST_NODES = 30


class _Drawing:
    """A graph that is drawn into a network, operator by operator."""

    def __init__(self, draw: random.Random, net: Growing, config: Config):
        self.draw, self.net, self.config = draw, net, config
        self.recipes: list[LayerRecipe] = []
        self.read: set[str] = set()

    def add(self, operator: str, **numbers: int) -> bool:
        """Add an operator, if there is such a one."""
        row = OPERATORS[operator]
        whole = {**row.simplest, **numbers}
        try:
            row.make(np.random.default_rng(0), f"{operator}{len(self.recipes)}", self.net, whole)
        except NoSuchLayer:
            return False
        self.recipes.append(LayerRecipe(operator, whole))
        return True

    def layer(self, operator: str, back: int) -> None:
        """Add a layer that reads a value."""
        name, shape = self.net.value(back)
        numbers = {**OPERATORS[operator].draw(self.draw, shape, self.config), "back": back,
                   "epsilon": 0}
        if operator != "fc":
            del numbers["epsilon"]
        if operator == "conv":
            if self.draw.random() < 0.7:  # so that maps stay large enough to meet again
                numbers |= {"stride": 1, "stride_w": 0, "pool": 1, "pool_w": 0, "pool_pad": 0}
                for axis, pad in (("h", "pad_top"), ("w", "pad_left")):
                    kernel = numbers[f"kernel_{axis}"] = min(numbers[f"kernel_{axis}"] | 1, 3)
                    numbers[pad] = kernel // 2 * numbers[f"dilation_{axis}"]
            numbers["out"] = min(numbers["out"], numbers["groups"] * max(
                1, 24 // numbers["groups"]))
            if numbers["groups"] == 1 and self.draw.random() < 0.6:
                numbers["out"] = self.draw.choice([shape for _, shape in self.net.values])[0]
        if self.add(operator, **numbers):
            self.read.add(name)

    def terms(self) -> None:
        """Add terms to the last layer, of values whose maps can be added to its own."""
        out, *size = self.net.layers[-1].conv_shape
        for back in self.draw.sample(range(len(self.net.values) - 1),
                                     min(2, len(self.net.values) - 1)):
            name, shape = self.net.value(back + 1)
            for window in self._windows(shape, size):
                equal = shape[0] == out and self.draw.random() < 0.7
                numbers = {"back": back, "groups": out if equal else 1, **window}
                if self.add("plus", **numbers):
                    self.read.add(name)
                    if self.draw.random() < 0.4:  # with weights beyond int8
                        self.add("plus", **numbers)
                    break

    def _windows(self, shape: Shape, size: list[int]) -> Iterator[dict[str, int]]:
        kernel = self.draw.choice([1, 1, 3])
        for stride in (1, 2, 3):
            for k in dict.fromkeys((kernel, 1)):
                by = self.draw.choice([1, 1, 2]) if k > 1 else 1
                yield {"kernel_h": k, "kernel_w": k, "pad_top": k // 2 * by,
                       "pad_left": k // 2 * by, "stride": stride, "dilation_h": by,
                       "dilation_w": by, "pad_value": self.draw.choice([0, 0, -128, 5])}
        if size == [1, 1]:
            yield {"kernel_h": shape[1], "kernel_w": shape[2]}

    def join(self) -> None:
        """Join two layers' outputs, if any match."""
        layers = {layer.name for layer in self.net.layers}
        backs = [b for b in range(len(self.net.values)) if self.net.value(b)[0] in layers]
        if not backs:
            return
        a = self.draw.choice(backs)
        _, shape = self.net.value(a)
        fits = [b for b in backs if self.net.value(b)[1][1:] == shape[1:] and b != a]
        if fits and shape[0] < 40:
            b = self.draw.choice(fits)
            self.read |= {self.net.value(back)[0] for back in (a, b)}
            self.add("join", a=a, b=b)

    def larger(self, operator: str) -> None:
        """Make the last layer's map larger, of itself or of those of layers before it, too: their
        pixels in turn (`weave`), or all of them (`tiles`)."""
        shape = self.net.value(0)[1]
        by = self.draw.choice([(1, 2), (2, 1), (2, 2), (2, 2), (3, 2)])
        span = next((n for n in range(1, 4) if self.net.value(n)[1] != shape), 4) \
            if len(self.net.values) > 4 else 1
        if operator == "tiles" and len(self.net.values) > 3:
            span = max(2, span)  # of other sizes, if they fit
        if shape[1] * shape[2] * by[0] * by[1] <= 150 and self.add(
                operator, rows=by[0], columns=by[1], span=(span := self.draw.randint(1, span))):
            self.read |= {self.net.value(1 + k)[0] for k in range(min(span, by[0] * by[1]))}

    def close(self) -> None:
        """End on a layer that reads all that has not been read."""
        self.layer("fc", 0)
        last = len(self.net.values) - 1
        for at, (name, shape) in enumerate(self.net.values[:last]):
            if name not in self.read:
                self.add("plus", back=last - 1 - at, kernel_h=shape[1], kernel_w=shape[2])


def draw_graph(draw: random.Random, net: Growing, config: Config) -> list[LayerRecipe]:
    """Draw into a network that has its input alone."""
    drawing = _Drawing(draw, net, config)
    for _ in range(draw.choice([2, 2, 3, 3, 4, 6, _MOST_NODES // 2])):
        if draw.random() < 0.25:
            drawing.join()
        back = 0 if draw.random() < 0.7 else draw.randrange(min(4, len(net.values)))
        before = len(net.layers)
        drawing.layer("conv", back)
        if len(net.layers) > before and draw.random() < 0.6:
            drawing.terms()
        if draw.random() < 0.2:
            drawing.larger(draw.choice(["weave", "tiles"]))
        if draw.random() < 0.15 and multiplies(config):
            drawing.layer("excite", 0)
    drawing.close()
    return drawing.recipes
