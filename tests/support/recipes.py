"""Random networks by recipe: a line that says all of a network, its inputs and the memory.

    2x4x4 seed=7 latency=40 stall=30 channels=6 rows=5 columns=5 conv out=12 kernel_h=3 fc out=10

is a configuration with numbers of the run, and operators with numbers of their layers. What is not
there has its simplest value. A layer reads the value before it, or one so many further `back`;
`plus` is a term of the layer before it, `join` a value of the channels of two.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hw.config import Config
from sw.compiler import Program, compile_graph
from sw.graph.integer import IntegerGraph
from sw.lowering.bands import in_bands
from sw.lowering.batch import stack_layers
from sw.lowering.errors import CompileError
from sw.lowering.nodes import nodes_of
from sw.lowering.split import Split, promising
from sw.lowering.taps import pack_input

from .accelerators import CONFIGS
from .operators import OPERATORS, Growing, NoSuchLayer, Numbers

__all__ = ["RUN", "LayerRecipe", "Recipe"]

#: Simplest values of a run's numbers: what weights and inputs are drawn from, the memory's latency
#: in cycles, in how many of a hundred a channel of it stalls, the input's shape, how many in a
#: hundred of its values are zero, images of a batch, whether only the last output is stored, and
#: what it is drawn from how layers are split among instances, 0 for the compiler's choice.
RUN = {"seed": 0, "latency": 1, "stall": 0, "channels": 1, "rows": 1, "columns": 1, "dead": 0,
       "batch": 1, "last_only": 0, "split": 0}
#: Runs of a program, of which the second finds nothing of the first.
_RUNS = 2


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
        net = Growing((self.run["channels"], self.run["rows"], self.run["columns"]))
        for k, layer in enumerate(self.layers):
            rng = np.random.default_rng((self.run["seed"], k))
            OPERATORS[layer.operator].make(rng, f"{layer.operator}{k}", net, layer.numbers)
        return net.graph("random")

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
        nodes, _ = pack_input(nodes_of(self.graph), config)
        nodes = in_bands(stack_layers(nodes, self.run["batch"]), config)
        return [draw.choice(promising(node, config, draw.randint(1, config.instances))).split
                for node in nodes]

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
