"""What eight bits make of a network's values: agreement with floating point, noise by layer."""

from dataclasses import dataclass, field
from functools import partial

from sw.experiment.floats import agreement, outputs_of, top1
from sw.graph.integer import IntegerGraph
from sw.images.dataset import ImageSet
from sw.quantise.noise import compared
from sw.quantise.scaled import Scaled
from sw.reference.batched import run_integer

__all__ = ["ValueFacts", "value_facts"]

_MOST_DB = 99.0


@dataclass(frozen=True)
class ValueFacts:
    """int8 against floating point on some images, or, of a model that is quantised already, int8
    alone.

    Members: `images`, how many, where they are from (`source`), and whether they are `seeded`, as
    nobody gave any; `agreement`, the share of images whose largest output is where it is in float,
    None of a single output; `accuracy` of float (None where there is none) and int8, where labels
    are known; `snr_db` of the outputs; `layers`, that of each layer.
    """

    images: int
    source: str
    agreement: float | None
    accuracy: tuple[float | None, float] | None
    snr_db: float | None
    seeded: bool
    layers: dict[str, float] = field(default_factory=dict)


def value_facts(network: Scaled, integers: IntegerGraph, images: ImageSet) -> ValueFacts | None:
    """Compare a network in int8 with itself in floating point; of one that is quantised already
    with its labels, or None where these are not known."""
    if network.graph.given is not None:
        if images.labels is None:
            return None
        ours = outputs_of(partial(run_integer, integers), images.images)
        return ValueFacts(len(images), images.source, None, (None, top1(ours, images.labels)), None,
                          images.seeded)
    found = compared(network, integers, images.images)
    layers = {name: round(min(_MOST_DB, max(-_MOST_DB, x)), 1) for name, x in found.layers.items()}
    several = found.real[0].size > 1
    return ValueFacts(
        len(images), images.source, agreement(found.integers, found.real) if several else None,
        None if images.labels is None else (top1(found.real, images.labels),
                                            top1(found.integers, images.labels)),
        layers[integers.output], images.seeded, layers)
