"""Quantisation-aware fine-tuning: the integers' rounding in the forward pass."""

from dataclasses import replace

import torch
from torch import nn

from sw.graph.floating import FloatGraph, FloatLayer
from sw.reference.floating import run_float_layer

from .scales import round_weights, weight_steps

__all__ = ["FakeQuantised"]


def _through(exact: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The rounded value, with the gradient of the one before rounding."""
    return x + (exact - x).detach()


def _fake(x: torch.Tensor, step: float) -> torch.Tensor:
    clamped = torch.clamp(x, -128 * step, 127 * step)
    return _through(torch.floor(clamped / step + 0.5) * step, clamped)


class FakeQuantised(nn.Module):
    """A float graph as a module whose weights and activations are rounded as int8 will be.

    Activation steps stay as calibrated; weights and biases are rounded as `quantise_with` does it,
    with steps that follow them.

    Parameters
    ----------
    graph : FloatGraph
        Batch norm folded; pruned layers as groups, so that pruned weights do not exist.
    scales : of the input and of each layer's output, as `calibrate` gives them
    """

    def __init__(self, graph: FloatGraph, scales: list[float]):
        super().__init__()
        graph.require_real("fine-tuning in int8")
        graph.require_no_tables("fine-tuning in int8")
        graph.require_no_factors("fine-tuning in int8")
        graph.require_chain("fine-tuning in int8")
        self.graph = graph
        self.scales = scales
        self.weights = nn.ParameterList(torch.from_numpy(x.weight.copy()) for x in graph.layers)
        self.biases = nn.ParameterList(torch.from_numpy(x.bias.copy()) for x in graph.layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = _fake(x, self.scales[0])
        for k, layer in enumerate(self.graph.layers):
            y = self._layer(layer, self.weights[k], self.biases[k], x, self.scales[k])
            x = _fake(y, self.scales[k + 1])
        return x.flatten(1)

    @staticmethod
    def _layer(layer: FloatLayer, weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor,
               in_scale: float) -> torch.Tensor:
        steps = weight_steps(weight, bias, in_scale)
        column = steps.to(weight.dtype)[:, None, None, None]
        weight = _through(round_weights(weight, steps) * column, weight)
        unit = in_scale * steps
        bias = _through((torch.round(bias.double() / unit) * unit).to(bias.dtype), bias)
        return run_float_layer(layer, x, weight, bias)

    def folded(self) -> FloatGraph:
        """Return the graph with the weights as they are now."""
        layers = [replace(x, weight=self.weights[k].detach().cpu().numpy().copy(),
                          bias=self.biases[k].detach().cpu().numpy().copy())
                  for k, x in enumerate(self.graph.layers)]
        return self.graph.with_layers(layers)
