"""Of models that are quantised already: what is rounded twice to the same numbers is rounded once.

What only moves or chooses numbers leaves them as they are held, so a second rounding to the same
ones does nothing.
"""

from dataclasses import replace

from sw.graph.quantisation import Quantisation
from sw.ir.graph import Graph, Node
from sw.ir.operators import Clamp, Concat, Gather, Interleave, MaxPool, Mosaic, Pad, Quantise

__all__ = ["at_input", "before_concat", "once"]


def at_input(graph: Graph) -> Graph:
    """The input is rounded before it is padded, pooled or chosen from, not after that."""
    def change(node: Node) -> list[Node]:
        moved = graph.producer(node.inputs[0])
        if not isinstance(node.op, Quantise) or moved is None or not _moves(moved, node.op.to) \
                or moved.inputs != (graph.input.name,) or graph.uses(moved.output) > 1:
            return [node]
        first = Node(node.name, node.op, moved.inputs, f"{node.output}/input")
        return [first, replace(moved, inputs=(first.output,), output=node.output)]
    return graph.replace(change)


def _moves(node: Node, to: Quantisation | None) -> bool:
    """Whether a node gives numbers of its input and nothing else, but for one that is held, too."""
    op = node.op
    if isinstance(op, Pad):
        return op.value == 0 or (to is not None and to.holds(op.value)
                                 and to.limits[0] <= op.value <= to.limits[1])
    return isinstance(op, MaxPool | Gather)


def before_concat(graph: Graph) -> Graph:
    """What joins are rounded to their parts are."""
    def change(node: Node) -> list[Node]:
        join = graph.producer(node.inputs[0])
        if not isinstance(node.op, Quantise) or join is None or not isinstance(
                join.op, Concat | Interleave | Mosaic) or graph.uses(join.output) > 1:
            return [node]
        parts = {part: Node(node.name, node.op, (part,), f"{node.output}/{n}")
                 for n, part in enumerate(dict.fromkeys(join.inputs))}
        inputs = tuple(parts[part].output for part in join.inputs)
        return [*parts.values(), replace(join, inputs=inputs, output=node.output)]
    while True:
        changed = graph.replace(change)
        if len(changed.nodes) == len(graph.nodes):
            return changed
        graph = changed


def once(graph: Graph) -> Graph:
    """Leave out roundings that change nothing, or that have been done."""
    held: dict[str, Quantisation | None] = {}
    same: dict[str, str] = {}
    done: dict[tuple[str, Quantisation], str] = {}
    kept = []
    for node in graph.nodes:
        node = replace(node, inputs=tuple(same.get(x, x) for x in node.inputs))
        source = node.inputs[0]
        if isinstance(node.op, Quantise):
            before = done.get((source, node.op.to))
            if held.get(source) == node.op.to or before is not None:
                same[node.output] = before or source
                continue
            done[source, node.op.to] = node.output
        held[node.output] = _held(node, [held.get(x) for x in node.inputs])
        kept.append(node)
    return graph.pruned(kept, [same.get(x, x) for x in graph.outputs])


def _held(node: Node, inputs: list[Quantisation | None]) -> Quantisation | None:
    """How a node's result is held, if it is."""
    first = inputs[0]
    match node.op:
        case Quantise(to=to):
            return to
        case MaxPool() | Gather() | Pad():
            return first if _moves(node, first) else None
        case Clamp(low=low, high=high):
            return first if first is not None and first.holds(low) and first.holds(high) else None
        case Concat() | Interleave() | Mosaic():
            return first if all(x == first for x in inputs) else None
    return None
