"""Draws random networks, as recipes."""

import random

import numpy as np

from hw.config import Config
from sw.graph.integer import IntegerGraph

from .accelerators import CONFIGS
from .branches import draw_graph
from .operators import OPERATORS, Growing
from .recipes import LayerRecipe, Recipe

__all__ = ["draw_network", "draw_recipe"]

#: More than an instance multiplies, or a port moves, in so many cycles are not drawn.
_MOST_CYCLES = 1500


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
    kind = draw.choice(["any", "any", "any", "linear", "parted", "wide", "graph", "graph", "broad"])
    channels, rows, columns = draw.randint(1, 3 * config.array.rows), draw.randint(1, 9), \
        draw.randint(1, 9)
    operators = ["conv"] * draw.randint(1, 3) + ["fc"] * draw.randint(0, 1)
    if kind == "linear":
        operators, rows, columns = ["fc"] * draw.randint(1, 4), draw.randint(1, 3), 1
    elif kind == "parted":
        operators = ["conv"] * draw.randint(0, 2) + ["fc"] * draw.randint(2, 3)
    elif kind == "graph":
        channels, rows, columns = (draw.randint(1, n) for n in (2 * config.array.rows, 7, 7))
    elif kind == "broad":  # rows of more pixels than there are accumulators
        rows, columns = draw.randint(1, 4), config.buffers.acc_depth + draw.randint(1, 100)
        operators = ["conv"] * draw.randint(1, 2)
    elif kind == "wide":  # more input blocks than zeros are looked for in
        channels = config.array.rows * draw.randint(65, 70)
        operators, rows, columns = ["conv"], draw.randint(1, 3), draw.randint(2, 3)
    # Seldom split by the compiler: it takes longer to compare splits than to run one, and what it
    # chooses is among those that are drawn.
    run = {"seed": draw.getrandbits(32), "latency": draw.choice([1, 4, 40, 40, 150]),
           "stall": draw.choice([0, 0, 30, 85]), "channels": channels, "rows": rows,
           "columns": columns, "dead": draw.choice([0, 0, 30, 70, 95, 100]),
           "batch": draw.choice([1, 1, 1, 1, 1, 2, 3]),
           "last_only": int(draw.random() < 0.25),
           "split": draw.getrandbits(16) if draw.random() < 0.85 else 0}
    net = Growing((channels, rows, columns))
    if kind == "graph":
        return Recipe(name, run, tuple(draw_graph(draw, net, config)))
    parts = draw.choice([2, 3, 4, 8, config.instances])
    layers = []
    for k, operator in enumerate(operators):
        row, (_, shape) = OPERATORS[operator], net.value(0)
        numbers = {**row.simplest, **row.draw(draw, shape, config)}
        if kind == "parted":  # but for the last, which joins them
            groups = parts if k and shape[0] % parts == 0 and k < len(operators) - 1 else 1
            numbers.update(groups=groups, out=parts * draw.randint(1, 6))
        elif kind == "wide":
            numbers.update(groups=1, out=draw.randint(1, 3 * config.array.cols))
        layers.append(LayerRecipe(operator, numbers))
        row.make(np.random.default_rng(0), f"{operator}{k}", net, numbers)
    return Recipe(name, run, tuple(layers))


def _is_small(graph: IntegerGraph, config: Config) -> bool:
    macs = sum(layer.macs for layer in graph.layers)
    weights = sum(layer.weight.size for layer in graph.layers)
    return (macs <= _MOST_CYCLES * config.array.macs * config.instances
            and weights <= _MOST_CYCLES * config.port.bytes)
