"""Boundaries of a graph: values whose channels have one order, and what keeps that as it is.

A value that is added to another channel by channel, and one that goes through a depthwise layer,
has the order of that one: they are one boundary, with one map of channels to partitions.
"""

from dataclasses import dataclass

from sw.graph.classes import Classes
from sw.graph.convolution import Convolution
from sw.graph.edges import INPUT
from sw.graph.floating import FloatGraph

__all__ = ["Boundaries", "boundaries_of"]


@dataclass(frozen=True)
class Boundaries:
    """Members: `of`, each value's boundary, by the name of one of its values, and `fixed`: those
    whose channels cannot be reordered -> why."""

    of: dict[str, str]
    fixed: dict[str, str]


def boundaries_of(graph: FloatGraph) -> Boundaries:
    """Find the boundaries of a network."""
    names = (INPUT, *(x.name for x in graph.layers), *(join.name for join in graph.joins))
    classes = Classes(names)
    fixed = {INPUT: f"layer {graph.layers[0].name}: is the first, so its inputs cannot be "
                    "reordered"}
    for k, layer in enumerate(graph.layers):
        for part, source in zip((layer, *layer.terms), graph.sources(k), strict=True):
            if _is_depthwise(part):
                classes.join(source, layer.name)
            elif part.groups != 1:
                fixed.setdefault(source, f"layer {layer.name}: has {layer.groups} groups, so its "
                                         "inputs cannot be reordered")
                fixed.setdefault(layer.name, f"layer {layer.name}: has {layer.groups} groups, so "
                                             "the outputs cannot be reordered for the layer after "
                                             "it")
    for layer in graph.layers:
        if layer.factors is not None:
            fixed.setdefault(layer.name, f"layer {layer.name}: multiplies each channel by one of "
                                         f"{layer.factors}, in one order, which cannot be changed")
    for output in graph.outputs:
        fixed.setdefault(output.layer, f"output {output.name}: is given as it is, so its channels "
                                       "cannot be reordered")
    for join in graph.joins:
        for value in (join.name, *join.sources):
            fixed.setdefault(value, f"join {join.name}: has {' and '.join(join.sources)} in one "
                                    "order of channels, which cannot be changed")
    return Boundaries({name: classes.of(name) for name in names},
                      {classes.of(name): why for name, why in reversed(fixed.items())})


def _is_depthwise(part: Convolution) -> bool:
    """Each output is of the input of its number."""
    return part.groups == len(part.weight) == part.in_shape[0] and part.groups > 1
