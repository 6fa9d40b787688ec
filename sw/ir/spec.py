"""What a graph may hold between passes."""

from enum import Enum

from .graph import Graph
from .operators import (
    OPERATORS,
    Affine,
    AvgPool,
    Clamp,
    Concat,
    Conv,
    Gather,
    Interleave,
    MaxPool,
    Mosaic,
    Operator,
    Pad,
    Pointwise,
    Product,
    Quantise,
    ShapeError,
    Sum,
)

__all__ = ["Level", "SpecError", "check"]


class SpecError(AssertionError):
    """A pass has made a graph that is not of its level: a fault of this program, not a user's."""


class Level(Enum):
    """How far a graph has come."""

    #: Any operator on values of any shape.
    IMPORTED = OPERATORS
    #: Maps [C, H, W] only: what moves numbers is gone but for choices of channels.
    MAPS = (Conv, Affine, Sum, Concat, Interleave, Mosaic, MaxPool, AvgPool, Clamp, Pad, Gather,
            Quantise, Pointwise, Product)


def check(graph: Graph, level: Level) -> Graph:
    """Return the graph if it is of a level.

    Raises
    ------
    SpecError
        Naming the node.
    """
    known = {graph.input.name}
    for node in graph.nodes:
        where = f"{graph.name}, {level.name}: node {node.output}"
        allowed: tuple[type[Operator], ...] = level.value
        if type(node.op) not in allowed:
            raise SpecError(f"{where}: {type(node.op).__name__} is not of this level")
        if missing := set(node.inputs) - known:
            raise SpecError(f"{where}: takes {', '.join(sorted(missing))}, not given before it")
        if node.output in known:
            raise SpecError(f"{where}: gives a value that there is already")
        known.add(node.output)
    for output in graph.outputs:
        if output not in known:
            raise SpecError(f"{graph.name}, {level.name}: nothing gives its output {output}")
    try:
        values = graph.values
    except ShapeError as error:
        raise SpecError(f"{graph.name}, {level.name}: {error}") from None
    if level is Level.MAPS:
        for node in graph.nodes:
            if len(values[node.output].shape) != 3 or getattr(node.op, "axis", 0) != 0:
                raise SpecError(f"{graph.name}, MAPS: node {node.output} gives no map")
    return graph
