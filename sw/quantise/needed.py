"""Quantising as a network needs it: weights rounded in turn, and, where that loses much, what else
helps: zero points, larger channels below clamps, corrected biases."""

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

__all__ = ["Chosen", "Quantised", "quantise_as", "quantise_as_needed"]

#: dB that a network's output keeps of its values, beyond which nothing more is looked at: integers
#: then guess as real numbers do, and a zero that is 0 costs less energy and can be skipped.
ENOUGH = 20.0


@dataclass(frozen=True)
class Chosen:
    """How a network is quantised: whether 0 stands for 0 (`symmetric`), whether channels below
    clamps are `grown`, and whether biases are `corrected`."""

    symmetric: bool = True
    grown: bool = False
    corrected: bool = False


@dataclass(frozen=True, eq=False)
class Quantised:
    """A network of like channels (`real`), its integers (`graph`), how they were made (`chosen`),
    and what was measured to choose that, in words, if anything was (`note`)."""

    real: Scaled
    graph: IntegerGraph
    chosen: Chosen
    note: str = ""


def quantise_as(graph: FloatGraph, images: Images, chosen: Chosen) -> Quantised:
    """Quantise a network as it was chosen for another; parameters and errors as of
    `quantise_as_needed`."""
    expect(graph, FloatGraph, "quantise_as")
    if graph.given is not None:
        return Quantised(Scaled(graph), quantise(graph), Chosen(symmetric=False))
    return _quantised(Scaled(graph, channel_factors(graph, images, clamped=chosen.grown)), images,
                      chosen)


def _quantised(real: Scaled, images: Images, chosen: Chosen) -> Quantised:
    """With channels as they are."""
    return Quantised(real, quantise_shown(
        Shown(real, images), nearest=False, symmetric=chosen.symmetric, correct=chosen.corrected),
        chosen)


def quantise_as_needed(graph: FloatGraph, images: Images, *, symmetric: bool = False) -> Quantised:
    """Quantise a network. Where its output keeps too little: with zero points, and then with
    corrected biases, each if the output then keeps more on the images that both are chosen on;
    between them with larger channels below clamps, if that keeps more on images held out.

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
    best = quantise_as(graph, images, Chosen())
    if graph.given is not None or (keeps := kept(best.real, best.graph, images)) >= ENOUGH:
        return best
    notes = []

    def take(other: Quantised, what: str, *, anyway: bool = False) -> None:
        nonlocal best, keeps
        more = kept(other.real, other.graph, images)
        if anyway or more > keeps:
            notes.append(f"{what}: {more:.1f} dB at the output on images of the calibration, "
                         f"{keeps:.1f} without")
            best, keeps = other, more

    if not symmetric:
        take(_quantised(best.real, images, Chosen(symmetric=False)),
             "values have zero points (--symmetric forbids them)")
    if growing_helps(graph, images, symmetric=best.chosen.symmetric):
        take(quantise_as(graph, images, replace(best.chosen, grown=True)),
             "channels below their clamps are as large as these let them, which keeps more on "
             "images held out", anyway=True)
    corrected = correct_biases(best.graph, Shown(best.real, images))
    corrected.validate()
    take(replace(best, graph=corrected, chosen=replace(best.chosen, corrected=True)),
         "biases make up for what rounding adds to sums on average")
    return replace(best, note="; ".join(notes))
