"""Networks whose partitions can be dropped: which layers they span, and what is left without some.

A partition's chain starts at its share of the channels of the layer before the first grouped one,
and ends with its group of the last. Dropped partitions' channels are zero, so they add nothing to
the dense layer that follows.
"""

from collections.abc import Sequence
from dataclasses import replace

from .integer import IntegerGraph, Layer

__all__ = ["ActiveError", "ScalingError", "check_active", "partition_layers", "with_active"]


class ScalingError(ValueError):
    """A network whose partitions cannot be dropped; the message names the layer and the rule."""


class ActiveError(ValueError):
    """A number of active partitions that cannot be had."""


def check_active(active: int, partitions: int) -> None:
    """Raise ActiveError unless 1 to `partitions` are active."""
    if not 1 <= active <= partitions:
        raise ActiveError(f"{active} active partitions; there must be 1 to {partitions}")


def partition_layers(layers: Sequence[Layer], partitions: int) -> range:
    """Return which layers' output channels belong to partitions.

    Raises
    ------
    ScalingError
        If the grouped layers are not neighbours with so many groups each, or if no dense layer
        follows, or if a dropped channel could be other than zero.
    """
    grouped = [k for k, x in enumerate(layers) if x.groups > 1]
    if not grouped:
        raise ScalingError(f"no layer has groups, so there are no {partitions} partitions to drop: "
                           "prune it first")
    first, past = grouped[0], grouped[-1] + 1
    for k in range(first, past):
        if layers[k].groups != partitions:
            raise ScalingError(f"layer {layers[k].name}: has {layers[k].groups} groups; each layer "
                               f"from {layers[first].name} to {layers[past - 1].name} must have "
                               f"{partitions}, one for each instance")
    if past == len(layers):
        raise ScalingError(f"layer {layers[-1].name}: is the last and has groups; a dense layer "
                           "must follow and add up the partitions")
    span = range(max(0, first - 1), past)
    for k in span:
        if layers[k].conv_shape[0] % partitions:
            raise ScalingError(f"layer {layers[k].name}: {layers[k].conv_shape[0]} channels are "
                               f"not divisible by {partitions} partitions")
        if layers[k].table is not None:
            _require_zero(layers[k])
        elif not layers[k].low <= 0 <= layers[k].high:
            raise ScalingError(f"layer {layers[k].name}: clamps to {layers[k].low} to "
                               f"{layers[k].high}, so a dropped channel cannot be zero")
        elif layers[k].offset:
            raise ScalingError(f"layer {layers[k].name}: adds {layers[k].offset} to its output, so "
                               "a dropped channel is not zero")
    return span


def _require_zero(layer: Layer) -> None:
    """Refuse a layer whose table does not give 0 for a sum of 0; raises ScalingError."""
    assert layer.table is not None
    found = layer.table[:, 128 + min(max(layer.offset, layer.low), layer.high)]
    if found.any():
        raise ScalingError(f"layer {layer.name}: its table gives {found[found != 0][0]} for a sum "
                           "of 0, so a dropped channel is not zero")


def with_active(graph: IntegerGraph, partitions: int, active: int) -> IntegerGraph:
    """Return the network with only its first `active` partitions: the other channels are zero.

    Raises
    ------
    ScalingError, ActiveError
    """
    graph.require_chain("with_active")
    check_active(active, partitions)
    layers = list(graph.layers)
    for k in partition_layers(layers, partitions):
        layer = layers[k]
        kept = len(layer.bias) // partitions * active
        weight, bias = layer.weight.copy(), layer.bias.copy()
        weight[kept:], bias[kept:] = 0, 0
        layers[k] = replace(layer, weight=weight, bias=bias)
    return replace(graph, layers=tuple(layers))
