"""What a trained network's weights and activations look like, small enough to keep and to copy."""

import numpy as np
import torch

from sw.graph.floating import FloatGraph
from sw.reference.floating import run_float_layer

__all__ = ["QUANTILES", "graph_statistics"]

STATISTICS_VERSION = 1
#: Points at which distributions are kept, denser at the tails.
QUANTILES = tuple(round(float(q), 6) for q in
                  0.5 - 0.5 * np.cos(np.pi * (np.arange(65) / 64)))


def _quantiles(values: np.ndarray) -> list[float]:
    return [float(f"{v:.5g}") for v in np.quantile(values.astype(np.float64), QUANTILES)]


def graph_statistics(graph: FloatGraph, images: np.ndarray, source: str) -> dict:
    """Return distributions of every layer, for `trained_like`.

    Parameters
    ----------
    graph : FloatGraph, trained
    images : float32[N, C, H, W]
    source : where the weights come from

    Returns
    -------
    dict
        `layers`: for each, `weight` quantiles of w / rms of its channel, `norm` quantiles of
        the channels' rms over their mean, and `zeros` quantiles over channels of the share of
        zeros after ReLU (None without one).
    """
    graph.require_chain("graph_statistics")
    x = torch.as_tensor(images)
    layers = []
    with torch.no_grad():
        for layer in graph.layers:
            x = run_float_layer(layer, x)
            flat = layer.weight.reshape(len(layer.weight), -1).astype(np.float64)
            rms = np.maximum(np.sqrt((flat ** 2).mean(1)), 1e-12)
            zeros = None
            if layer.low == 0:
                zeros = _quantiles((x == 0).double().mean((0, 2, 3)).numpy())
            layers.append({"name": layer.name, "weight": _quantiles(flat / rms[:, None]),
                           "norm": _quantiles(rms / rms.mean()), "zeros": zeros})
    return {"version": STATISTICS_VERSION, "network": graph.name, "source": source,
            "layers": layers}
