"""How much of a network's signal its integers keep, layer by layer."""

import math

import numpy as np

from sw.graph.floating import FloatGraph
from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph
from sw.reference.batched import run_layers

from .errors import QuantiseError
from .shown import Images, Shown

__all__ = ["signal_to_noise"]


def signal_to_noise(network: FloatGraph, graph: IntegerGraph, images: Images) -> dict[str, float]:
    """Return each layer's signal over noise in dB, on images: the float network's mean square over
    that of what the integers are off, as it has grown up to that layer.

    Parameters
    ----------
    network : FloatGraph
    graph : IntegerGraph
        What `quantise` made of it; of `equalise(network, images)`, where that was quantised.
    images : float[N, C, H, W]
        Others than those of the calibration say more.

    Raises
    ------
    FlowError
        If either is of another step.
    QuantiseError
        If the images are none, or the graph is not the network's.
    """
    expect(network, FloatGraph, "signal_to_noise")
    expect(graph, IntegerGraph, "signal_to_noise")
    names = [layer.name for layer in network.layers]
    if names != [layer.name for layer in graph.layers] or not graph.held:
        raise QuantiseError(f"{graph.name} is not what quantise made of {network.name}: give the "
                            "graph that it returned")
    shown = Shown(network, images)
    signal, noise = np.zeros(len(names)), np.zeros(len(names))
    for x, outputs in shown.batches():
        found = run_layers(graph, x)
        for k, ((_, exact), whole) in enumerate(zip(outputs, found, strict=True)):
            held = graph.held[names[k]]
            real = (whole - held.zero_point) * held.scale
            signal[k] += float(exact.double().square().sum())
            noise[k] += float((real - exact.double()).square().sum())
    return {name: _decibels(s, n) for name, s, n in zip(names, signal, noise, strict=True)}


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf
