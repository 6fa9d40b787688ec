"""Quantising as a network needs it: weights rounded in turn, and, where that loses much, channels
below clamps made larger, and zero points, where they help."""

from dataclasses import dataclass, replace

from sw.graph.floating import FloatGraph
from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph

from .bias import correct_biases
from .equalise import channel_factors
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
    found = _quantised(graph, images, symmetric=True)
    best, keeps = found, kept(found.real, found.graph, images)
    if keeps >= ENOUGH:
        return best
    notes = []

    def offer(other: Quantised, what: str) -> None:
        nonlocal best, keeps
        if (more := kept(other.real, other.graph, images)) > keeps:
            notes.append(f"{what}: {more:.1f} dB at the output on images of the calibration, "
                         f"{keeps:.1f} without")
            best, keeps = other, more

    if growing_helps(graph, images, symmetric=symmetric):
        offer(_quantised(graph, images, symmetric=True, clamped=True),
              "channels below their clamps are as large as these let them")
    if not symmetric:
        offer(replace(best, graph=quantise_shown(Shown(best.real, images), nearest=False,
                                                 symmetric=False), symmetric=False),
              "values have zero points (--symmetric forbids them)")
    corrected = correct_biases(best.graph, Shown(best.real, images))
    corrected.validate()
    offer(replace(best, graph=corrected),
          "biases make up for what rounding adds to sums on average")
    return replace(best, note="; ".join(notes))


def _quantised(graph: FloatGraph, images: Images, *, symmetric: bool, clamped: bool = False,
               ) -> Quantised:
    real = Scaled(graph, channel_factors(graph, images, clamped=clamped))
    return Quantised(real, quantise_shown(Shown(real, images), nearest=False,
                                          symmetric=symmetric), symmetric=symmetric)
