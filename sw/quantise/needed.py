"""Quantising as a network needs it: weights rounded in turn, and, where that loses much, channels
below clamps made larger, and zero points, where they help."""

from dataclasses import dataclass

from sw.graph.floating import FloatGraph
from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph

from .equalise import channel_factors, may_grow
from .held_out import growing_helps, kept
from .post_training import quantise, quantise_shown
from .scaled import Scaled
from .shown import Images, Shown

__all__ = ["Quantised", "quantise_as_needed"]

#: dB that a network's output keeps of its values, beyond which zero points are not looked at:
#: integers then guess as real numbers do, and a zero that is 0 costs less energy and can be
#: skipped.
ENOUGH = 20.0


@dataclass(frozen=True, eq=False)
class Quantised:
    """A network of like channels (`real`), its integers (`graph`), whether 0 stands for 0 in them
    (`symmetric`), and what was measured to decide that, in words, if it was (`note`)."""

    real: Scaled
    graph: IntegerGraph
    symmetric: bool
    note: str = ""


def quantise_as_needed(graph: FloatGraph, images: Images, *, symmetric: bool = False) -> Quantised:
    """Quantise a network; where that loses too much, with larger channels below clamps if these
    keep more on images held out, and with zero points if these keep more.

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
    plain = quantise_shown(Shown(real, images), nearest=False)
    grows = may_grow(graph)
    if (symmetric and not grows) or (least := kept(real, plain, images)) >= ENOUGH:
        return Quantised(real, plain, symmetric=True)
    notes = []
    if grows and growing_helps(graph, images, symmetric=symmetric):
        real = Scaled(graph, channel_factors(graph, images, clamped=True))
        plain = quantise_shown(Shown(real, images), nearest=False)
        before, least = least, kept(real, plain, images)
        notes.append(f"channels below their clamps are as large as these let them: {least:.1f} dB "
                     f"at the output on images of the calibration, {before:.1f} without")
    if not symmetric:
        found = quantise_shown(Shown(real, images), nearest=False, symmetric=False)
        if (more := kept(real, found, images)) > least:
            notes.append(f"values have zero points: {more:.1f} dB at the output on images of the "
                         f"calibration, {least:.1f} without (--symmetric)")
            return Quantised(real, found, symmetric=False, note="; ".join(notes))
    return Quantised(real, plain, symmetric=True, note="; ".join(notes))
