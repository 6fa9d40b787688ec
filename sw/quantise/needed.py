"""Quantising as a network needs it: weights rounded in turn, zero points where they help."""

from dataclasses import dataclass

from sw.graph.floating import FloatGraph
from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph

from .equalise import channel_factors
from .noise import signal_to_noise
from .post_training import quantise, quantise_shown
from .scaled import Scaled
from .shown import Images, Shown

__all__ = ["Quantised", "quantise_as_needed"]

#: dB that a network's output keeps of its values, beyond which zero points are not looked at:
#: integers then guess as real numbers do, and a zero that is 0 costs less energy and can be
#: skipped.
ENOUGH = 20.0
_IMAGES = 16  # that this is measured on, at most


@dataclass(frozen=True, eq=False)
class Quantised:
    """A network of like channels (`real`), its integers (`graph`), whether 0 stands for 0 in them
    (`symmetric`), and what was measured to decide that, in words, if it was (`note`)."""

    real: Scaled
    graph: IntegerGraph
    symmetric: bool
    note: str = ""


def quantise_as_needed(graph: FloatGraph, images: Images, *, symmetric: bool = False) -> Quantised:
    """Quantise a network, with zero points where 0 for 0 loses too much and they keep more.

    Parameters
    ----------
    graph : FloatGraph
    images : float[N, C, H, W]
        As the network gets them.
    symmetric : bool
        No zero points, whatever is lost.

    Raises
    ------
    FlowError, QuantiseError
        As of `quantise`.
    """
    expect(graph, FloatGraph, "quantise_as_needed")
    if graph.given is not None:
        return Quantised(Scaled(graph), quantise(graph), symmetric=False)
    real = Scaled(graph, channel_factors(graph, images))
    shown = Shown(real, images)
    plain = quantise_shown(shown, nearest=False)
    if symmetric or (kept := _kept(real, plain, images)) >= ENOUGH:
        return Quantised(real, plain, symmetric=True)
    found = quantise_shown(shown, nearest=False, symmetric=False)
    more = _kept(real, found, images)
    if more <= kept:
        return Quantised(real, plain, symmetric=True)
    return Quantised(real, found, symmetric=False, note=f"values have zero points: {more:.1f} dB "
                     f"at the output on images of the calibration, {kept:.1f} without "
                     "(--symmetric)")


def _kept(real: Scaled, graph: IntegerGraph, images: Images) -> float:
    """dB of the output that keeps least."""
    found = signal_to_noise(real, graph, images[:_IMAGES])
    return min(found[name] for name in real.graph.ends)
