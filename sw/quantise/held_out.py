"""What is chosen on some of the calibration images, and judged on the others."""

from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph

from .equalise import channel_factors, may_grow
from .errors import QuantiseError
from .noise import signal_to_noise
from .post_training import quantise_shown
from .scaled import Scaled
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
    try:
        return bool(half) and may_grow(graph) and all(
            _kept_on(graph, own, others, clamped=True, symmetric=symmetric)
            > _kept_on(graph, own, others, clamped=False, symmetric=symmetric)
            for own, others in ((images[:half], images[half:]), (images[half:], images[:half])))
    except QuantiseError:  # a half is zero, though not all is
        return False


def _kept_on(graph: FloatGraph, own: Images, others: Images, *, clamped: bool,
             symmetric: bool) -> float:
    """dB on other images than a network's own."""
    real = Scaled(graph, channel_factors(graph, own, clamped=clamped))
    return kept(real, quantise_shown(Shown(real, own), nearest=False, symmetric=symmetric), others)
