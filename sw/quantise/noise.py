"""How much of a network's signal its integers keep, layer by layer."""

import math
from dataclasses import dataclass

import numpy as np

from sw.graph.floating import FloatGraph
from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph
from sw.graph.records import FACTOR, RECORD
from sw.reference.batched import run_layers

from .errors import QuantiseError
from .scaled import Scaled
from .shown import Images, Shown

_WIDER = 8  # times as much as floats do integers take, as int64 and float64

__all__ = ["Compared", "compared", "signal_to_noise"]


@dataclass(frozen=True, eq=False)
class Compared:
    """A network's integers beside its real numbers: of each layer the signal over noise in dB
    (`layers`), and of each image what it gives in `real` numbers and in `integers`, both
    [N, C, H, W]."""

    layers: dict[str, float]
    real: np.ndarray
    integers: np.ndarray


def signal_to_noise(network: FloatGraph | Scaled, graph: IntegerGraph, images: Images,
                    ) -> dict[str, float]:
    """Return each layer's signal over noise in dB, on images: the float network's mean square over
    that of what the integers are off, as it has grown up to that layer.

    Parameters
    ----------
    network : FloatGraph | Scaled
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
    return compared(network, graph, images).layers


def compared(network: FloatGraph | Scaled, graph: IntegerGraph, images: Images) -> Compared:
    """Compare a network's integers with its real numbers; parameters and errors as of
    `signal_to_noise`."""
    real = network.graph if isinstance(network, Scaled) else network
    expect(real, FloatGraph, "signal_to_noise")
    expect(graph, IntegerGraph, "signal_to_noise")
    names = [layer.name for layer in real.layers]
    if names != [layer.name for layer in graph.layers] or not graph.held:
        raise QuantiseError(f"{graph.name} is not what quantise made of {real.name}: give the "
                            "graph that it returned")
    shown = Shown(network, images)
    signal, noise = np.zeros(len(names)), np.zeros(len(names))
    given: list[np.ndarray] = []
    found: list[np.ndarray] = []
    for x, outputs in shown.batches(_WIDER):
        for k, ((_, exact), whole) in enumerate(zip(outputs, run_layers(graph, x), strict=True)):
            held, exact = graph.held[names[k]], exact.double()
            if names[k] in graph.recorded:  # of which the rest are constants
                exact, whole = exact[:, FACTOR::RECORD], whole[:, FACTOR::RECORD]
            signal[k] += float(exact.square().sum())
            noise[k] += float(((whole - held.zero_point) * held.scale - exact).square().sum())
            last = exact, whole
        given.append(last[0].numpy())
        found.append(last[1].numpy().astype(np.int64))
    decibels = map(_decibels, signal, noise)
    return Compared(dict(zip(names, decibels, strict=True)), np.concatenate(given),
                    np.concatenate(found))


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf
