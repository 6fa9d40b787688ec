"""What eight bits make of a network's values: agreement with floating point, noise by layer."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from sw.experiment.floats import agreement, outputs_of, run_float, run_layer, top1
from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph
from sw.images.dataset import ImageSet
from sw.reference.batched import run_integer
from sw.reference.golden import run_golden
from sw.reference.walk import walk

__all__ = ["ValueFacts", "value_facts"]

#: Images whose layers are compared one by one, at most.
_LAYERS_OF = 1


@dataclass(frozen=True)
class ValueFacts:
    """int8 against floating point on some images.

    Members: `images`, how many, and where they are from (`source`); `agreement`, the share of
    images whose largest output is where it is in float, None of a single output; `accuracy` of
    float and int8 where labels are known; `snr_db` of the outputs; `layers`, that of each layer.
    """

    images: int
    source: str
    agreement: float | None
    accuracy: tuple[float, float] | None
    snr_db: float
    layers: dict[str, float]


def value_facts(graph: FloatGraph, integers: IntegerGraph, images: ImageSet) -> ValueFacts:
    """Compare a network in int8 with itself in floating point."""
    layers = _layers(graph, integers, images.images[:_LAYERS_OF])
    real = outputs_of(partial(run_float, graph), images.images)
    ours = outputs_of(partial(run_integer, integers), images.images)
    several = real[0].size > 1
    return ValueFacts(
        len(images), images.source, agreement(ours, real) if several else None,
        None if images.labels is None else (top1(real, images.labels), top1(ours, images.labels)),
        _snr(real, integers.real_output(ours)), layers)


def _layers(graph: FloatGraph, integers: IntegerGraph, images: np.ndarray) -> dict[str, float]:
    """Signal-to-noise ratio of every layer, dB."""
    golden = [run_golden(integers, integers.quantise_input(image)) for image in images]
    found = {}
    with torch.no_grad():
        for k, real in enumerate(walk(graph, torch.from_numpy(images), run_layer)):
            name = graph.layers[k].name
            held = integers.held[name]
            whole = np.stack([outputs[k] for outputs in golden]).astype(np.float64)
            found[name] = _snr(real.numpy(), (whole - held.zero_point) * held.scale)
    return found


def _snr(real: np.ndarray, ours: np.ndarray) -> float:
    """Signal-to-noise ratio in dB, at most 99."""
    signal = float(np.square(real, dtype=np.float64).sum())
    noise = float(np.square(real.astype(np.float64) - ours).sum())
    return 0.0 if signal == 0 else round(min(99.0, 10 * np.log10(signal / max(noise, 1e-30))), 1)
