"""Splits that let instances be dropped at run time: partition k, with what it reads, on instance k.

Layers before and after the partitions run on instance 0, which is always there. Nothing that an
active instance reads is made by another one but 0, except by the dense layer that adds up the
partitions, and that finds zeros where a dropped one would have written.
"""

from collections.abc import Sequence

from hw.config import Config
from sw.graph.active import partition_layers

from .errors import CompileError
from .geometry import ceil_div
from .nodes import Node
from .split import Split, make_item

__all__ = ["scalable_splits"]


def scalable_splits(nodes: Sequence[Node], config: Config) -> list[Split]:
    """Split each layer; partitions are as many as instances.

    Raises
    ------
    ScalingError
        If the network's partitions cannot be dropped.
    CompileError
        If a partition's channels do not fill whole words and columns.
    """
    count, unit = config.instances, config.unit_channels
    span = partition_layers([node.layer for node in nodes], count)
    splits = []
    for k, node in enumerate(nodes):
        layer = node.layer
        rows = (0, layer.out_shape[1])
        if k not in span:
            units = ceil_div(layer.conv_shape[0], unit)
            splits.append(Split("one", (make_item(node, config, (0, units), rows),
                                        *[None] * (count - 1))))
            continue
        each = layer.conv_shape[0] // count
        if each % unit:
            raise CompileError(layer.name, f"has {each} channels in each of {count} partitions; "
                               f"they must be a multiple of {unit} to be dropped: use a smaller "
                               "array or a wider network")
        own = each // unit
        splits.append(Split("groups", tuple(make_item(node, config, (i * own, (i + 1) * own), rows)
                                            for i in range(count))))
    return splits
