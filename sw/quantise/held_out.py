"""What is chosen on some of the calibration images, and judged on the others."""

import numpy as np
import torch

from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph

from .equalise import channel_factors
from .noise import signal_to_noise
from .post_training import quantise_shown
from .scaled import Factors, Scaled
from .shown import Images, Shown

__all__ = ["growing_helps", "kept"]

_IMAGES = 16  # that is measured on, at most


def kept(real: Scaled, graph: IntegerGraph, images: Images) -> float:
    """Signal over noise in dB of the output that keeps least, on the first of some images."""
    found = signal_to_noise(real, graph, images[:_IMAGES])
    return min(found[name] for name in real.graph.ends)


def growing_helps(graph: FloatGraph, images: Images, *, symmetric: bool) -> bool:
    """Whether the output keeps more if channels below a clamp are made as large as it lets them,
    on each half of the images where the other half chose how large."""
    half = len(images) // 2
    halves = images[:half], images[half:]
    if not all(_show_something(x) for x in halves):
        return False
    return all(_gains(graph, own, others, symmetric=symmetric)
               for own, others in (halves, halves[::-1]))


def _show_something(images: Images) -> bool:
    return any(bool(torch.as_tensor(x).any()) for x in images)


def _gains(graph: FloatGraph, own: Images, others: Images, *, symmetric: bool) -> bool:
    """Whether growing as own images show it keeps more of the output on other ones."""
    grown = channel_factors(graph, own, clamped=True)
    clamped = [x.name for x in graph.layers if x.high is not None and x.name in grown.outputs]
    if all(np.all(grown.outputs[name] == 1) for name in clamped):
        return False
    as_it_is = Factors({name: by for name, by in grown.outputs.items() if name not in clamped},
                       grown.taken)
    without, more = (
        kept(real, quantise_shown(Shown(real, own), nearest=False, symmetric=symmetric), others)
        for real in (Scaled(graph, as_it_is), Scaled(graph, grown)))
    return more > without
