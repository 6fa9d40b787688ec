"""Runs a network's layers in order and keeps no value longer than it is read."""

from collections.abc import Callable, Iterator, Sequence
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
    run : a layer, and the values that it and its terms read -> what it gives
    """
    values = {INPUT: x}
    for k, layer in enumerate(graph.layers):
        inputs = [_joined([values[part] for part in graph.parts(source)])
                  for source in graph.sources(k)]
        values[layer.name] = run(layer, inputs)
        del inputs
        for value in [v for v in values if not graph.is_read_after(v, k)]:
            if value != layer.name:
                del values[value]
        yield values[layer.name]


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
