"""Products of values that are both functions of one value are a function of that."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sw.graph.function import Function, X, function
from sw.ir.graph import Graph, Node
from sw.ir.operators import Affine, Clamp, Operator, Pointwise, Product, Quantise

__all__ = ["function_of", "limits_of_sums", "products_into_functions"]


def function_of(op: Operator) -> Function | None:
    """An operator of each number by itself as a function; None of others."""
    match op:
        case Pointwise(function=found):
            return found
        case Affine():
            return function("affine", X, numbers=(op.scale, op.offset))
        case Clamp(low=low, high=high):
            return function("clamp", X, numbers=(low, high))
        case Quantise(to=to):
            return function("round", X, numbers=(to.scale, to.zero_point, to.low, to.high))
    return None


def limits_of_sums(graph: Graph) -> Graph:
    """A clamp of a multiple is what layers do without a table: the hard sigmoid."""
    if any(isinstance(node.op, Quantise) for node in graph.nodes):
        return graph

    def change(node: Node) -> list[Node]:
        found = node.op.function if isinstance(node.op, Pointwise) else X
        if found.kind != "clamp" or found.is_by_channel or found.of[0].kind != "affine" \
                or found.of[0].of != (X,):
            return [node]
        channels = graph.values[node.output].shape[0]
        (scale,), (offset,) = found.of[0].numbers
        (low,), (high,) = found.numbers
        inner = f"{node.output}/multiple"
        affine = Affine(np.full(channels, scale, np.float32), np.full(channels, offset, np.float32))
        return [Node(node.name, affine, node.inputs, inner),
                replace(node, op=Clamp(low, high), inputs=(inner,))]
    return graph.replace(change)


def products_into_functions(graph: Graph) -> Graph:
    """A product whose operands come from one value, each by functions alone, is one function of
    the nearest such value: x * sigmoid(x)."""
    made: dict[str, Node] = {}

    def origins(value: str) -> Iterator[tuple[str, Function]]:
        """The value, and those before it with what makes it of them."""
        found = X
        yield value, found
        while (node := made.get(value)) is not None and (inner := function_of(node.op)):
            value, found = node.inputs[0], found.after(inner)
            yield value, found

    def change(node: Node) -> list[Node]:
        if isinstance(node.op, Product):
            first, second = node.inputs
            known = dict(origins(second))
            for value, by in origins(first):
                if value in known:
                    op = Pointwise(function("product", by, known[value]))
                    node = replace(node, op=op, inputs=(value,))
                    break
        made[node.output] = node
        return [node]
    return graph.replace(change)
