"""Runs a network's layers in order and keeps no value longer than it is read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from sw.graph.edges import INPUT, Edges

__all__ = ["walk"]


def walk(graph: Edges, x: torch.Tensor,
         run: Callable[[Any, Sequence[torch.Tensor]], torch.Tensor]) -> Iterator[torch.Tensor]:
    """Give each layer's output [N, C, H, W] in turn.

    Parameters
    ----------
    graph : Edges
    x : [N, C, H, W], the network's input
    run : a layer, and the values that it and its terms read, and its factors -> what it gives
    """
    values = {INPUT: x}
    for k, layer in enumerate(graph.layers):
        inputs = [_joined(graph, source, values) for source in graph.inputs(k)]
        values[layer.name] = run(layer, inputs)
        del inputs
        for value in [v for v in values if not graph.is_read_after(v, k)]:
            if value != layer.name:
                del values[value]
        yield values[layer.name]


def _joined(graph: Edges, value: str, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    parts, (rows, columns) = [values[part] for part in graph.parts(value)], graph.by(value)
    if (rows, columns) == (1, 1):
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    if graph.tiled(value):
        return torch.cat([torch.cat(parts[k:k + columns], 3)
                          for k in range(0, len(parts), columns)], 2)
    whole = parts[0].new_empty((len(parts[0]), *graph.value_shape(value)))
    for k, part in enumerate(parts):
        whole[:, :, k // columns::rows, k % columns::columns] = part
    return whole
