"""A user's network whose partitions can be dropped: as many as there are instances."""

from collections.abc import Callable
from functools import partial

import numpy as np

from hw.support.arguments import given
from sw.graph.active import partition_layers
from sw.networks.opening import opened
from sw.networks.shapes import check_cut
from sw.prune.apply import apply_plan
from sw.prune.partition import partition
from sw.prune.plan import PartitionPlan
from sw.quantise.needed import quantise_as_needed
from sw.training.incremental import Grown

from .choice import Choice
from .floats import outputs_of, run_float
from .own import is_cut, measured_images, pixels_of, why_unpruned

__all__ = ["load_parted"]


def load_parted(choice: Choice, instances: int, *, prune: str, plan: PartitionPlan | None,
                images: int, seed: int, say: Callable[[str], None]) -> Grown:
    """Prune a user's network, by a plan if there is one, and quantise it; labels that are not known
    are the first guesses of the network in floating point.

    Raises
    ------
    BranchError, PartitionError, ScalingError, QuantiseError
    OSError, CallableError, ImageError, UnsupportedLayer
    ValueError
        If nothing can be pruned, or there are fewer images.
    """
    network = opened(choice.origin)
    graph = network.graph
    graph.require_chain("dropping a network's partitions")
    if plan is not None and plan.partitions != instances:
        raise ValueError(f"--plan is of {plan.partitions} partitions; --instances is {instances}, "
                         f"each of which has one: take --instances {plan.partitions}")
    with given("--instances", instances):
        names = list(plan.layers) if plan else check_cut(graph, prune, instances)
    if not names:
        raise ValueError(f"nothing of {graph.name} can be pruned: {why_unpruned(graph, prune)}")
    pixels = pixels_of(choice, graph, count=max(images, measured_images(graph)), seed=seed)
    found = pixels.images
    if len(found) < images:
        raise ValueError(f"--images is {images}; {found.place} has {len(found)}")
    plan = plan or partition(graph, names, instances, seed=seed, progress=say)
    notes = [f"{', '.join(names)} pruned in {instances} parts" + (
        ": all other weights are zero already" if is_cut(graph, plan) else ", without training: "
        "accuracies are less than those of a network that is trained so"),
        *network.notices, *pixels.notes]
    labels = found.labels
    if labels is None:
        notes.append("no labels: a right answer is the first guess of the dense network in "
                     "floating point")
        labels = outputs_of(partial(run_float, graph), found.images).reshape(
            len(found), -1).argmax(axis=1).astype(np.int64)
    # what is dropped writes zeros, which must stand for 0
    pruned = quantise_as_needed(apply_plan(graph, plan), pixels.calibration, symmetric=True)
    notes += filter(None, [pruned.note])
    for note in notes:
        say(note)
    partition_layers(pruned.graph.layers, instances)
    return Grown(pruned.graph, found.images, labels,
                 f"{len(found)} {found.place}" if found.seeded else found.source,
                 guessed=found.labels is None, notes=tuple(notes))
