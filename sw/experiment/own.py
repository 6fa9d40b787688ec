"""A user's network as a workload: quantised on her images, pruned where it can be."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hw.support.arguments import given
from hw.support.text import listed
from sw.graph.floating import FloatGraph
from sw.graph.integer import IntegerGraph
from sw.images.dataset import SEEDED, ImageSet, load_images
from sw.images.errors import ImageError
from sw.networks.naming import Kind, Origin
from sw.networks.opening import opened
from sw.networks.seeded import seeded_images
from sw.networks.shapes import NOT_THERE, check_cut, require_cut
from sw.prune.apply import apply_plan
from sw.prune.layers import prunable_layers
from sw.prune.partition import partition
from sw.prune.picture import pictures
from sw.prune.plan import PartitionError, PartitionPlan
from sw.quantise.needed import quantise_as, quantise_as_needed
from sw.reference.batched import run_integer

from .choice import Choice
from .described import Described, described
from .floats import agreement, outputs_of, run_float, top1
from .work import Workload

__all__ = ["CALIBRATION", "MOST_PARTITIONS", "Own", "Pixels", "chosen_partitions", "is_cut",
           "load_own", "measured_images", "pixels_of", "silence", "why_unpruned",
           "workload_of"]

_Say = Callable[[str], None]
#: Parts that layers are cut into where nobody says, at most.
MOST_PARTITIONS = 8
#: Images that step sizes are chosen on, at most.
CALIBRATION = 64
#: Images that accuracy is measured on, at least and at most; between, as many as so many
#: multiply-accumulates allow.
_MEASURED, _MEASURED_MACS = (16, 256), 2 * 10 ** 10


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images of a network: those that it is quantised on, those that it is looked at on, and, in
    words, where they come from and how they were prepared."""

    calibration: np.ndarray
    images: ImageSet
    notes: tuple[str, ...]


def pixels_of(choice: Choice, graph: FloatGraph, *, count: int, seed: int) -> Pixels:
    """Load a network's images, at most `count` to be looked at, or make seeded ones. Where there
    are none but those that it is calibrated on, it is looked at on these.

    Raises
    ------
    OSError, CallableError, ImageError
    """
    shape, outputs = graph.in_shape, int(np.prod(graph.out_shape))
    found = described(choice, graph)
    load = partial(load_images, shape=shape, preparation=found.preparation, outputs=outputs,
                   names=choice.labels, seed=seed)
    seeded = partial(seeded_images, shape=shape, limits=found.limits)
    notes: list[str] = []
    calibration = there = drawn = None
    if graph.given is not None:
        calibration = seeded(1, seed=seed)  # none are looked at
        notes.append("it is quantised already, and keeps its scales and its integers"
                     + ("; --calibration changes nothing" if choice.calibration and choice.data
                        else ""))
    elif choice.calibration:
        there = load(choice.calibration, count=CALIBRATION if choice.data else
                     max(count, CALIBRATION))
        calibration = there.images[:CALIBRATION]
        notes.append(f"calibrated on {there.part(0, CALIBRATION).source}")
    if choice.data:
        want = count if calibration is not None else count + CALIBRATION
        drawn = load(choice.data, count=want)
        images = drawn.part(0, count)
        if calibration is None:
            rest = drawn.part(count, want) if len(drawn) > count else images
            calibration = rest.images[:CALIBRATION]
            notes.append(f"calibrated on {len(calibration)} of {drawn.total} images of "
                         f"{choice.data}" + ("" if len(drawn) > count else
                                             ", which it is looked at on as well"))
    elif choice.calibration:
        there = there or load(choice.calibration, count=count)
        images = there.part(0, count)
        notes.append("looked at on images of --calibration, as no --data is given")
    else:
        images = ImageSet(seeded(max(count, 8), seed=seed), None, choice.labels or (), count,
                          SEEDED).part(0, count)
    if calibration is None:
        calibration = seeded(8, seed=seed + 1)
        notes.append("calibrated on 8 seeded random images, as no --data or --calibration is "
                     "given: cycles are right, values and energy are not those of real images")
    notes += _preparing(choice, found, shape, [x for x in (there, drawn) if x is not None])
    return Pixels(calibration, images, tuple(notes))


def _preparing(choice: Choice, found: Described, shape: tuple[int, int, int],
               sets: list[ImageSet]) -> list[str]:
    """How images were prepared, where they are pixels. Refuses options that say how where there
    are none; noise, where nobody gives images, fills the range that a mean and a deviation make."""
    done = [x for x in sets if x.pixels]
    asked = choice.asked - (set() if sets else {"mean", "deviation"})
    if asked and not done:
        options = ", ".join(f"--{'channels' if name == 'order' else name}"
                            for name in sorted(asked))
        places = " and ".join(dict.fromkeys(x.place for x in sets))
        raise ImageError(f"{options}: would change nothing, as " + (
            f"of {places} real numbers are taken as they are: leave it out, or give "
            "pixels (bytes)" if sets else "no images are given: leave it out, or give --data"))
    if not done:
        return []
    others = [x.place for x in sets if not x.pixels]
    return [f"images prepared: {found.preparation.text(shape)}" + (
        f" (not those of {others[0]}: real numbers, which are taken as they are)" if others else ""
        ), *found.notes]


def measured_images(graph: FloatGraph) -> int:
    """How many images a network's accuracy is measured on, if there are so many."""
    low, high = _MEASURED
    return min(high, max(low, _MEASURED_MACS // sum(x.macs for x in graph.layers)))


def chosen_partitions(graph: FloatGraph, prune: str, asked: int | None) -> tuple[int, list[str]]:
    """How many parts are cut, and which layers; 1 and none where nothing can be.

    Raises
    ------
    PartitionError
        If it cannot be cut into as many as are asked for.
    """
    if graph.given is not None and (asked or 1) == 1:
        return 1, []
    if asked is not None:
        return asked, require_cut(graph, prune, asked)
    for partitions in range(MOST_PARTITIONS, 1, -1):
        try:
            if names := check_cut(graph, prune, partitions):
                return partitions, names
        except PartitionError:
            continue
    return 1, []


def why_unpruned(graph: FloatGraph, prune: str, asked: int | None = None) -> str:
    """Why there is no pruned form, where so many partitions are asked for, and what would give
    one."""
    if graph.given is not None:
        return "it is quantised already: prune the model from before that"
    if asked == 1:
        return "1 partition is asked for"
    if prunable_layers(graph, prune):
        return f"its layers have no divisor from 2 to {MOST_PARTITIONS} in common"
    more = "; --prune all would prune its convolutions" if prune == "fc" and \
        chosen_partitions(graph, "all", None)[1] else ""
    return f"it has {NOT_THERE[prune]}{more}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Own:
    """A user's network and what to make of it: its `name`, where its weights are from in words
    (`weights`), its layers, `pixels`, how many of their images run (`count`), whether the images
    are measured on (`measured`), `notices` of what is left to the host, and whether 0 must stand
    for 0 (`symmetric`)."""

    name: str
    weights: str
    graph: FloatGraph
    pixels: Pixels
    count: int
    measured: bool
    notices: tuple[str, ...] = ()
    symmetric: bool = False


def load_own(choice: Choice, *, partitions: int | None, seed: int, images: int | None,
             partitioner: str | None, prune: str, plan: PartitionPlan | None = None,
             measure: bool = True, say: _Say) -> Workload:
    """Build the workload of a user's network, pruned by a `plan` if there is one; with `measure`
    its accuracy is measured, where it has images.

    Raises
    ------
    OSError, CallableError, ImageError, UnsupportedLayer, PartitionError, QuantiseError
    ValueError
        If there are fewer images than are asked for.
    """
    say("reading the network")
    network = opened(choice.origin)
    graph = network.graph
    with given("--partitions", partitions):  # none with a plan
        chosen_partitions(graph, prune, partitions)  # before images are read
    count = images or (4 if choice.data else 1)
    measure = measure and choice.data is not None
    most = max(count, measured_images(graph) if measure else 1)
    pixels = pixels_of(choice, graph, count=most, seed=seed)
    if len(pixels.images) < count and images is not None:
        raise ValueError(f"--images is {count}; {pixels.images.place} has {len(pixels.images)}")
    own = Own(name=choice.origin.name, graph=graph, pixels=pixels, count=count,
              weights=f"{_weights(choice.origin)}; {pixels.images.part(0, count).source}",
              measured=measure, notices=network.notices, symmetric=choice.symmetric)
    return workload_of(own, partitions=partitions, seed=seed, partitioner=partitioner, prune=prune,
                       plan=plan, say=say)


def _weights(origin: Origin) -> str:
    """Where a network's weights come from, in words."""
    if origin.weights is None and origin.kind is Kind.CALLABLE:
        return f"weights as {origin.text} makes them"
    return f"weights of {origin.weights or origin.text}"


def workload_of(own: Own, *, partitions: int | None, seed: int, partitioner: str | None,
                prune: str, plan: PartitionPlan | None = None, say: _Say) -> Workload:
    """Quantise a network, and prune it by a plan, or else where it can be.

    Raises
    ------
    PartitionError, QuantiseError
    """
    graph, calibration = own.graph, own.pixels.calibration
    parts, names = chosen_partitions(graph, prune, partitions) if plan is None else \
        (plan.partitions, list(plan.layers))
    say("quantising")
    found = quantise_as_needed(graph, calibration, symmetric=own.symmetric)
    dense, pruned = found.graph, None
    notes = [*own.notices, *filter(None, [found.note]), *silence(graph)]
    if names:
        plan = plan or partition(graph, names, parts, partitioner or "optimised", seed=seed,
                                 progress=say)
        pruned = quantise_as(apply_plan(graph, plan), calibration, found.chosen).graph
        cut = f"{', '.join(names)} in {parts} parts"
        notes.append(
            f"pruned, {cut}: all other weights are zero already, as fine-tuning leaves them"
            if is_cut(graph, plan) else f"pruned without fine-tuning, {cut}: cycles and energy "
            "are those of a network fine-tuned so, its accuracy is not")
    else:
        notes.append(f"nothing is pruned: {why_unpruned(graph, prune, partitions)}. What is "
                     "compared is 1 instance with N")
    chosen = own.pixels.images.part(0, own.count)
    work = Workload(
        own.name, own.weights, dense, pruned,
        tuple(dense.quantise_input(x) for x in chosen.images), chosen.labels, partitions=parts,
        pictures=() if plan is None else pictures(graph, plan),
        notes=(*notes, *own.pixels.notes), names=own.pixels.images.names)
    if not own.measured:
        return work
    say("measuring accuracy")
    return replace(work, accuracy=_accuracy(graph, work.forms, own.pixels.images))


def is_cut(graph: FloatGraph, plan: PartitionPlan) -> bool:
    """Whether a network is what a plan makes of it already, and not just zeros."""
    found = [(graph.layer(name).energy(), plan.mask(k)) for k, name in enumerate(plan.layers)]
    return all(weight.any() and not weight[~mask].any() for weight, mask in found)


def silence(graph: FloatGraph) -> list[str]:
    """What there is to say of layers whose weights are all zero, so that nothing goes through;
    nothing where there are none."""
    names = [x.name for x in graph.layers
             if not any(part.weight.any() for part in (x, *x.terms))]
    return [f"all weights are zero in {listed(names, 5)}: what comes out there is the same for "
            "every image"] if names else []


def _accuracy(graph: FloatGraph, forms: dict[str, IntegerGraph], images: ImageSet,
              ) -> dict[str, float]:
    """Shares of right first guesses, where there are labels, and of those that are float's: not of
    a model that is quantised already, as its values are made to be rounded."""
    found: dict[str, float] = {}
    real = None if graph.given is not None else outputs_of(partial(run_float, graph), images.images)
    if images.labels is not None and real is not None:
        found[f"float on {len(images)} images"] = top1(real, images.labels)
    for form, integers in forms.items():
        outputs = outputs_of(partial(run_integer, integers), images.images)
        name = "int8" if form == "dense" else f"{form} int8"
        if images.labels is not None:
            found[f"{name} on {len(images)} images"] = top1(outputs, images.labels)
        if real is not None:
            found[f"{name} guesses as float"] = agreement(outputs, real)
    return found
