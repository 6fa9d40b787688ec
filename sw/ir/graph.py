"""Values and nodes of an imported network, in topological order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from .operators import Operator, Shape

__all__ = ["Graph", "Node", "Value"]


@dataclass(frozen=True)
class Value:
    """A tensor between nodes, without its batch."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Node:
    """An operator on values.

    Members: `name`, by which a user knows it (of a module, or of the call), not always its own;
    `inputs`, names of values, and `output`, the value that it gives.
    """

    name: str
    op: Operator
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: nodes in topological order.

    Parameters
    ----------
    name : str
    input : Value
    nodes : tuple of Node
    output : str
        The value that the network gives, or the first of those that it gives.
    more : tuple of str
        The others.
    names : tuple of str
        What its user knows them by, all in order, if there are several.
    """

    name: str
    input: Value
    nodes: tuple[Node, ...]
    output: str
    more: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """All values that the network gives, in order."""
        return self.output, *self.more

    @cached_property
    def values(self) -> dict[str, Value]:
        """Every value by its name, shapes by the operators' rules."""
        found = {self.input.name: self.input}
        for node in self.nodes:
            shape = node.op.shape(*(found[x].shape for x in node.inputs))
            found[node.output] = Value(node.output, shape)
        return found

    @cached_property
    def _producers(self) -> dict[str, Node]:
        return {node.output: node for node in self.nodes}

    @cached_property
    def _consumers(self) -> dict[str, tuple[Node, ...]]:
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                found.setdefault(value, []).append(node)
        return {value: tuple(nodes) for value, nodes in found.items()}

    def producer(self, value: str) -> Node | None:
        """The node that gives a value; None for the network's input."""
        return self._producers.get(value)

    def consumers(self, value: str) -> tuple[Node, ...]:
        """The nodes that take a value."""
        return self._consumers.get(value, ())

    def uses(self, value: str) -> int:
        """How often a value is taken, by nodes or as a result of the network."""
        return sum(n.inputs.count(value) for n in self.consumers(value)) \
            + self.outputs.count(value)

    def replace(self, change: Callable[[Node], Iterable[Node]]) -> "Graph":
        """The graph with each node replaced by others, in its place; the last gives its value."""
        return self.pruned(node for old in self.nodes for node in change(old))

    def pruned(self, nodes: Iterable[Node], outputs: Sequence[str] = ()) -> "Graph":
        """A graph of those of the nodes that its outputs need, which may be others."""
        outputs = outputs or self.outputs
        needed, kept = {*outputs}, []
        for node in reversed(tuple(nodes)):
            if node.output in needed:
                needed.update(node.inputs)
                kept.append(node)
        return Graph(self.name, self.input, tuple(reversed(kept)), outputs[0], tuple(outputs[1:]),
                     self.names)
