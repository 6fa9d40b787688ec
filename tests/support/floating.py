"""Float networks run layer by layer, and masked as a plan says."""

from dataclasses import replace

import numpy as np
import torch

from sw.graph.floating import FloatGraph
from sw.prune.layers import select_layers
from sw.prune.plan import PartitionPlan
from sw.reference.floating import run_float_layer
from sw.reference.walk import walk

__all__ = ["mask_layers", "run_float"]


def run_float(graph: FloatGraph, images: np.ndarray | torch.Tensor) -> list[torch.Tensor]:
    """Every layer's float output [N, C, H, W] for images [N, C, H, W]."""
    outputs, x = [], torch.as_tensor(images, dtype=torch.float32)
    with torch.no_grad():
        for y in walk(graph, x, lambda layer, inputs: run_float_layer(
                layer, inputs[0], others=inputs[1:])):
            outputs.append(y)
    return outputs


def mask_layers(graph: FloatGraph, plan: PartitionPlan) -> FloatGraph:
    """The graph with the weights that the plan prunes set to zero, nothing moved."""
    layers = list(graph.layers)
    for k, index in enumerate(select_layers(graph, plan.layers, plan.partitions)):
        mask = plan.mask(k)[:, :, None, None]
        layers[index] = replace(layers[index], weight=layers[index].weight * mask)
    return graph.with_layers(layers)
