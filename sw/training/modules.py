"""A module in training, as what else works with it: its layers, its weights' masks and hash."""

import copy
import hashlib
import warnings

import torch
from torch import nn

from sw.frontend.torch import capture
from sw.graph.floating import FloatGraph
from sw.ir.errors import CaptureNotice
from sw.prune.plan import PartitionPlan

__all__ = ["captured", "weight_masks", "weights_hash"]


def captured(net: nn.Module, in_shape: tuple[int, int, int], name: str) -> FloatGraph:
    """Capture a copy of a network; what of it is left to the host has been told before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaptureNotice)
        return capture(copy.deepcopy(net).cpu(), in_shape, name)


def weight_masks(net: nn.Module, graph: FloatGraph, plan: PartitionPlan) -> dict[str, torch.Tensor]:
    """Return the plan's masks by parameter name, in the shapes of the module's own weights."""
    parameters = dict(net.named_parameters())
    masks = {}
    for k, name in enumerate(plan.layers):
        weight = parameters[f"{name}.weight"]
        kernel = graph.layer(name).weight.shape[2:]
        mask = torch.from_numpy(plan.mask(k)).to(weight)[:, :, None, None].expand(-1, -1, *kernel)
        masks[f"{name}.weight"] = mask.reshape(weight.shape).contiguous()
    return masks


def weights_hash(net: nn.Module) -> str:
    """Of all of a network's tensors."""
    weights = hashlib.sha256()
    for tensor in net.state_dict().values():
        weights.update(tensor.cpu().numpy().tobytes())
    return weights.hexdigest()
