"""Pass 2: what can be part of another operator's weights or padding becomes that."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sw.ir.graph import Graph, Node
from sw.ir.operators import (
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
    Quantise,
    Sum,
)
from sw.ir.spec import Level, check

from .functions import limits_of_sums, products_into_functions
from .held import at_input, before_concat, once

__all__ = ["PASSES", "tidy"]


def tidy(graph: Graph) -> Graph:
    """Run all passes, in order."""
    for change in PASSES:
        graph = check(change(graph), Level.MAPS)
    return graph


def _until_it_stays(change: Callable[[Graph], Graph], graph: Graph) -> Graph:
    while True:
        before = [node.output for node in graph.nodes]
        graph = change(graph)
        if [node.output for node in graph.nodes] == before:
            return graph


# -- padding ---------------------------------------------------------------------------------------
def absorb_padding(graph: Graph) -> Graph:
    """A border goes into the convolution or pooling after it."""
    def change(node: Node) -> list[Node]:
        before = graph.producer(node.inputs[0])
        op = None if before is None else _padded(graph, node.op, before)
        return [node if op is None or before is None else replace(node, op=op,
                                                                  inputs=before.inputs)]
    return graph.replace(change)


def _padded(graph: Graph, op: Operator, before: Node) -> Operator | None:
    """The operator with a border before it as its own padding; None where that differs."""
    pad = before.op
    if not isinstance(pad, Pad) or not isinstance(op, Conv | AvgPool | MaxPool):
        return None
    if isinstance(op, Conv):
        if not math.isfinite(pad.value) or (any(op.padding) and op.pad_value != pad.value):
            return None
        op = replace(op, pad_value=pad.value)
    elif isinstance(op, MaxPool):
        top, left, bottom, right = pad.border
        inside = max(top, bottom) < op.kernel[0] and max(left, right) < op.kernel[1]
        if not inside or any(op.padding) or op.ceil or not (
                pad.value == -np.inf or (pad.value == 0 and _positive(graph, before.inputs[0]))):
            return None
    elif pad.value != 0:
        return None
    border = tuple(a + b for a, b in zip(op.padding, pad.border, strict=True))
    return replace(op, padding=(border[0], border[1], border[2], border[3]))


def _positive(graph: Graph, value: str) -> bool:
    """Whether a value is never below 0, so that zeros beside it change no maximum."""
    node = graph.producer(value)
    match node.op if node is not None else None:
        case Clamp(low=low):
            return low >= 0
        case MaxPool() | AvgPool() | Concat() | Mosaic() | Gather() | Quantise():
            assert node is not None
            return all(_positive(graph, x) for x in node.inputs)
    return False


# -- factors and offsets ---------------------------------------------------------------------------
def merge_affines(graph: Graph) -> Graph:
    """Two in a row are one."""
    merged: dict[str, Node] = {}

    def change(node: Node) -> list[Node]:
        before = merged.get(node.inputs[0])
        if isinstance(node.op, Affine):
            if before is not None and isinstance(before.op, Affine) \
                    and graph.uses(before.output) == 1:
                op = Affine(before.op.scale * node.op.scale,
                            before.op.offset * node.op.scale + node.op.offset)
                node = replace(node, op=op, inputs=before.inputs)
            merged[node.output] = node
        return [node]
    return graph.replace(change)


def affines_into_weights(graph: Graph) -> Graph:
    """A factor before convolutions goes into their weights, an offset into their biases: where
    nothing before can take it in, and, of an offset, where no padding comes between."""
    return _into_weights(graph, Affine, _goes_forward, _with_affine)


def _into_weights(graph: Graph, kind: type[Operator], goes: Callable[[Graph, Node, Any], bool],
                  taken_in: Callable[[Graph, Conv, Node], Conv]) -> Graph:
    """Operators of a kind, those that go, become part of all convolutions that read them."""
    folded: dict[str, Node] = {}

    def change(node: Node) -> list[Node]:
        if isinstance(node.op, kind) and goes(graph, node, node.op):
            folded[node.output] = node
        before = folded.get(node.inputs[0])
        if before is None or not isinstance(node.op, Conv):
            return [node]
        return [replace(node, op=taken_in(graph, node.op, before), inputs=before.inputs)]
    return graph.replace(change)


def _goes_forward(graph: Graph, node: Node, op: Affine) -> bool:
    before = graph.producer(node.inputs[0])
    if before is not None and isinstance(before.op, Conv | Sum | AvgPool) \
            and graph.uses(before.output) == 1:
        return False  # it goes into that one
    consumers = graph.consumers(node.output)
    return node.output not in graph.outputs and all(
        isinstance(x.op, Conv) and x.op.steps is None
        and not (any(x.op.padding) and (op.offset.any() or x.op.pad_value)) for x in consumers)


def _with_affine(graph: Graph, op: Conv, before: Node) -> Conv:
    affine = before.op
    assert isinstance(affine, Affine)
    out, per_group = op.weight.shape[:2]
    index = np.arange(out)[:, None] // (out // op.groups) * per_group + np.arange(per_group)
    offset = (op.weight * affine.offset[index][:, :, None, None]).sum((1, 2, 3))
    weight = op.weight * affine.scale[index][:, :, None, None]
    return replace(op, weight=weight.astype(np.float32),
                   bias=(op.bias + offset).astype(np.float32))


# -- channels --------------------------------------------------------------------------------------
def before_joins(graph: Graph) -> Graph:
    """What follows a join of channels is done to its parts, where their layers can take it in."""
    return _until_it_stays(_before_one_join, graph)


def _before_one_join(graph: Graph) -> Graph:
    def change(node: Node) -> list[Node]:
        join = graph.producer(node.inputs[0])
        if join is None or not isinstance(join.op, Concat | Interleave | Mosaic) \
                or graph.uses(join.output) > 1 \
                or not isinstance(node.op, Affine | Clamp | MaxPool | Pointwise) \
                or not all(_takes(graph, part, node.op, join) for part in join.inputs):
            return [node]
        if isinstance(join.op, Interleave | Mosaic):
            of = {part: Node(node.name, node.op, (part,), f"{node.output}/{n}")
                  for n, part in enumerate(dict.fromkeys(join.inputs))}
            return [*of.values(), replace(join, inputs=tuple(of[x].output for x in join.inputs),
                                          output=node.output)]
        parts, at = [], 0
        for n, part in enumerate(join.inputs):
            size = graph.values[part].shape[0]
            op: Operator = node.op
            if isinstance(op, Affine):
                op = Affine(op.scale[at:at + size], op.offset[at:at + size])
            elif isinstance(op, Pointwise):
                op = Pointwise(op.function.chosen(range(at, at + size)))
            parts.append(Node(node.name, op, (part,), f"{node.output}/{n}"))
            at += size
        return [*parts, replace(join, inputs=tuple(x.output for x in parts), output=node.output)]
    return graph.replace(change)


def _takes(graph: Graph, part: str, op: Operator, join: Node) -> bool:
    before = graph.producer(part)
    if isinstance(join.op, Interleave | Mosaic) and isinstance(op, MaxPool):
        return False
    sums = (Conv, Sum, AvgPool)
    kinds = {Affine: sums, Clamp: (*sums, Affine, Clamp, MaxPool),
             MaxPool: (*sums, Affine, Clamp), Pointwise: (*sums, Affine, Clamp)}[type(op)]
    return before is not None and graph.uses(part) == join.inputs.count(part) \
        and isinstance(before.op, kinds)


def chosen_apart(graph: Graph) -> Graph:
    """A convolution of which others only choose channels is one for each choice."""
    def change(node: Node) -> list[Node]:
        conv = graph.producer(node.inputs[0])
        if not isinstance(node.op, Gather) or conv is None or not isinstance(conv.op, Conv) \
                or conv.op.groups > 1 or graph.uses(conv.output) == 1:
            return [node]
        others = [x.op for x in graph.consumers(conv.output)]
        chosen = sum(len(op.indices) if isinstance(op, Gather) else math.inf for op in others)
        if conv.output in graph.outputs or chosen > len(conv.op.weight):
            return [node]
        of, steps = list(node.op.indices), conv.op.steps
        op = replace(conv.op, weight=conv.op.weight[of], bias=conv.op.bias[of],
                     steps=None if steps is None else steps[of])
        return [Node(conv.name, op, conv.inputs, node.output)]
    return graph.replace(change)


def channels_into_weights(graph: Graph) -> Graph:
    """Chosen channels are where the convolutions after them have weights: others have zeros, if
    that costs fewer products than to choose first."""
    return _into_weights(graph, Gather, _is_read_cheaply, _with_gather)


def _with_gather(graph: Graph, op: Conv, before: Node) -> Conv:
    gather = before.op
    assert isinstance(gather, Gather)
    whole = graph.values[before.inputs[0]].shape[0]
    weight = np.zeros((len(op.weight), whole, *op.weight.shape[2:]), np.float32)
    for k, channel in enumerate(gather.indices):
        weight[:, channel] += op.weight[:, k]
    return replace(op, weight=weight)


def _is_read_cheaply(graph: Graph, node: Node, op: Gather) -> bool:
    before = graph.producer(node.inputs[0])
    if before is not None and isinstance(before.op, Conv) and before.op.groups == 1 \
            and graph.uses(before.output) == 1:
        return False  # that one's outputs are chosen instead
    consumers = graph.consumers(node.output)
    if node.output in graph.outputs or not all(
            isinstance(x.op, Conv) and x.op.groups == 1 and (
                x.op.steps is None or len(set(op.indices)) == len(op.indices)) for x in consumers):
        return False
    whole, shape = graph.values[node.inputs[0]].shape[0], graph.values[node.output].shape
    more = sum(x.op.weight[:, 0].size * (whole - shape[0])
               * math.prod(graph.values[x.output].shape[1:])
               for x in consumers if isinstance(x.op, Conv))
    return more <= whole * math.prod(shape)


#: In the order in which they run.
PASSES: tuple[Callable[[Graph], Graph], ...] = (
    products_into_functions, limits_of_sums, merge_affines, before_joins, at_input, before_concat,
    once, affines_into_weights, chosen_apart, channels_into_weights, absorb_padding)
