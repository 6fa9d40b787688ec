"""Random networks by recipe: a line that says all of a network, its inputs and the memory.

    2x4x4 seed=7 latency=40 stall=30 channels=6 rows=5 columns=5 conv out=12 kernel_h=3 fc out=10

is a configuration with numbers of the run, and operators with numbers of their layers. What is not
there has its simplest value.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hw.config import Config
from sw.compiler import Program, compile_graph
from sw.graph.integer import IntegerGraph, Layer
from sw.lowering.batch import stack_layers
from sw.lowering.errors import CompileError
from sw.lowering.split import Split, promising
from sw.lowering.taps import pack_taps

from .accelerators import CONFIGS
from .operators import OPERATORS, NoSuchLayer, Numbers, Shape

__all__ = ["RUN", "LayerRecipe", "Recipe", "draw_network", "draw_recipe"]

#: Simplest values of a run's numbers: what weights and inputs are drawn from, the memory's latency
#: in cycles, in how many of a hundred a channel of it stalls, the input's shape, how many in a
#: hundred of its values are zero, images of a batch, whether only the last output is stored, and
#: what it is drawn from how layers are split among instances, 0 for the compiler's choice.
RUN = {"seed": 0, "latency": 1, "stall": 0, "channels": 1, "rows": 1, "columns": 1, "dead": 0,
       "batch": 1, "last_only": 0, "split": 0}
#: Runs of a program, of which the second finds nothing of the first.
_RUNS = 2
#: More than an instance multiplies, or a port moves, in so many cycles are not drawn.
_MOST_CYCLES = 1500


@dataclass(frozen=True)
class LayerRecipe:
    """A layer: the name of its operator, and its numbers, all of them."""

    operator: str
    numbers: Mapping[str, int]

    def __str__(self) -> str:
        return " ".join([self.operator, *_shown(self.numbers, OPERATORS[self.operator].simplest)])


@dataclass(frozen=True)
class Recipe:
    """A configuration's name, the numbers of `RUN`, and layers.

    Raises
    ------
    NoSuchLayer, CompileError
        Of `graph` and `program`, where `exists` is false.
    """

    config_name: str
    run: Mapping[str, int]
    layers: tuple[LayerRecipe, ...]

    def __str__(self) -> str:
        return " ".join([self.config_name, *_shown(self.run, RUN), *map(str, self.layers)])

    @classmethod
    def parse(cls, text: str) -> "Recipe":
        """Inverse of `str`; raises ValueError, naming the word that it does not know."""
        name, *words = text.split() or [""]
        if name not in CONFIGS:
            raise ValueError(f"{name!r} is no configuration; there are {', '.join(CONFIGS)}")
        run, layers = dict(RUN), []
        numbers = run
        for word in words:
            key, sign, value = word.partition("=")
            if not sign and key in OPERATORS:
                numbers = dict(OPERATORS[key].simplest)
                layers.append(LayerRecipe(key, numbers))
            elif sign and key in numbers and value.lstrip("-").isdecimal():
                numbers[key] = int(value)
            else:
                raise ValueError(f"{word!r} is neither an operator ({', '.join(OPERATORS)}) nor "
                                 f"one of {', '.join(numbers)} with a whole number")
        return cls(name, run, tuple(layers))

    @property
    def config(self) -> Config:
        return CONFIGS[self.config_name]

    @cached_property
    def graph(self) -> IntegerGraph:
        """The network. A layer's weights depend on the seed and its place alone."""
        shape = self.run["channels"], self.run["rows"], self.run["columns"]
        layers: list[Layer] = []
        for k, layer in enumerate(self.layers):
            rng = np.random.default_rng((self.run["seed"], k))
            layers.append(OPERATORS[layer.operator].make(
                rng, f"{layer.operator}{k}", shape, layer.numbers))
            shape = layers[-1].out_shape
        return IntegerGraph("random", tuple(layers), 1.0, 1.0)

    @cached_property
    def program(self) -> Program:
        """The network for its configuration."""
        return compile_graph(self.graph, self.config, batch=self.run["batch"],
                             store_all=not self.run["last_only"], splits=self._splits())

    def _splits(self) -> list[Split] | None:
        """Each layer among some or all instances in any way, which is seldom the fastest one."""
        if not self.run["split"]:
            return None
        draw, config = random.Random(self.run["split"]), self.config
        first, _ = pack_taps(self.graph.layers[0], config)
        layers = stack_layers((first, *self.graph.layers[1:]), self.run["batch"])
        return [draw.choice(promising(layer, config, draw.randint(1, config.instances))).split
                for layer in layers]

    @property
    def exists(self) -> bool:
        """Whether there is such a network and it fits; where the compiler fails, there is."""
        try:
            return bool(self.layers and self.program)
        except (NoSuchLayer, CompileError):
            return False
        except Exception:  # what a run then ends with, too
            return True

    def inputs(self) -> list[np.ndarray]:
        """Of each run: int8[batch, C, H, W], some of whose channels are zero, others in part."""
        rng = np.random.default_rng(self.run["seed"])
        shape = _RUNS, self.run["batch"], *self.graph.in_shape
        images = rng.integers(-128, 128, shape, dtype=np.int8)
        images[rng.integers(0, 100, shape) < self.run["dead"]] = 0
        images[rng.integers(0, 200, shape[:3]) < self.run["dead"]] = 0
        return list(images)


def _shown(numbers: Numbers, simplest: Numbers) -> list[str]:
    return [f"{name}={numbers[name]}" for name, value in simplest.items()
            if numbers[name] != value]


def draw_recipe(name: str, draw: random.Random) -> Recipe:
    """A network that fits a configuration, and takes it some thousands of cycles."""
    config = CONFIGS[name]
    for _ in range(200):
        recipe = draw_network(name, draw)
        if _is_small(recipe.graph, config) and recipe.exists:
            return recipe
    raise AssertionError(f"of 200 networks none fits {name}")


def draw_network(name: str, draw: random.Random) -> Recipe:
    """A network for a configuration, which may not fit: any, or one of a kind that is seldom among
    any."""
    config = CONFIGS[name]
    kind = draw.choice(["any", "any", "any", "linear", "parted", "wide"])
    channels, rows, columns = draw.randint(1, 3 * config.array.rows), draw.randint(1, 9), \
        draw.randint(1, 9)
    operators = ["conv"] * draw.randint(1, 3) + ["fc"] * draw.randint(0, 1)
    if kind == "linear":
        operators, rows, columns = ["fc"] * draw.randint(1, 4), draw.randint(1, 3), 1
    elif kind == "parted":
        operators = ["conv"] * draw.randint(0, 2) + ["fc"] * draw.randint(2, 3)
    elif kind == "wide":  # more input blocks than zeros are looked for in
        channels = config.array.rows * draw.randint(65, 70)
        operators, rows, columns = ["conv"], draw.randint(1, 3), draw.randint(2, 3)
    run = {"seed": draw.getrandbits(32), "latency": draw.choice([1, 4, 40, 40, 150]),
           "stall": draw.choice([0, 0, 30, 85]), "channels": channels, "rows": rows,
           "columns": columns, "dead": draw.choice([0, 0, 30, 70, 95, 100]),
           "batch": draw.choice([1, 1, 1, 1, 1, 2, 3]),
           "last_only": int(draw.random() < 0.25),
           "split": draw.choice([0, draw.getrandbits(16), draw.getrandbits(16)])}
    shape: Shape = channels, rows, columns
    parts = draw.choice([2, 3, 4, 8, config.instances])
    layers = []
    for k, operator in enumerate(operators):
        row = OPERATORS[operator]
        numbers = {**row.simplest, **row.draw(draw, shape, config)}
        if kind == "parted":  # but for the last, which joins them
            groups = parts if k and shape[0] % parts == 0 and k < len(operators) - 1 else 1
            numbers.update(groups=groups, out=parts * draw.randint(1, 6))
        elif kind == "wide":
            numbers.update(groups=1, out=draw.randint(1, 3 * config.array.cols))
        layers.append(LayerRecipe(operator, numbers))
        shape = row.make(np.random.default_rng(0), "", shape, numbers).out_shape
    return Recipe(name, run, tuple(layers))


def _is_small(graph: IntegerGraph, config: Config) -> bool:
    macs = sum(layer.macs for layer in graph.layers)
    weights = sum(layer.weight.size for layer in graph.layers)
    return (macs <= _MOST_CYCLES * config.array.macs * config.instances
            and weights <= _MOST_CYCLES * config.port.bytes)
