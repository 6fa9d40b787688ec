"""The networks that can be compared by name, dense and partition-pruned, with their input."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from hw.support.arguments import given
from hw.support.entries import own_cache
from sw.data import DATA
from sw.frontend.torch import capture
from sw.graph.artefact import load_integer
from sw.graph.integer import IntegerGraph
from sw.networks.architectures import (
    PIXEL_DEVIATION,
    PIXEL_MEAN,
    TINYVGG16_SHAPE,
    natural_images,
    tinyvgg16,
    trained_like,
    with_trained_zeros,
)
from sw.networks.names import check_images
from sw.networks.naming import origin_of
from sw.networks.shapes import check_stored, shape_graph
from sw.prune.apply import apply_plan
from sw.prune.layers import prunable_layers
from sw.prune.partition import partition
from sw.prune.picture import pictures
from sw.prune.plan import PartitionPlan
from sw.quantise.post_training import quantise
from sw.reference.batched import accuracy, run_integer
from sw.training.augment import random_crops
from sw.training.checkpoint import load_checkpoint
from sw.training.dataset import load_tiny_imagenet
from sw.training.digits import train_digits

from .choice import Choice
from .own import MOST_PARTITIONS, load_own
from .work import Workload

__all__ = ["Workload", "load_workload"]


def load_workload(network: str | Choice, *, partitions: int | None = None, seed: int,
                  images: int | None = None, partitioner: str | None = None, prune: str = "fc",
                  plan: PartitionPlan | None = None, measure: bool = True,
                  say: Callable[[str], None] = lambda text: None) -> Workload:
    """Build a network's workload; with `measure` a user's accuracy on her images is measured.

    "tinyvgg16-slim" classifies held-out images of the Tiny ImageNet folder that a choice has as
    its data; without it that network runs on seeded images. Without a `partitioner`, trained
    networks are partitioned by the optimised one and seeded weights, which have no structure to
    find, by the identity. Without `partitions` networks that come with it are cut into 8, a user's
    into as many up to 8 as go, or as a `plan` says.

    Raises
    ------
    ValueError
        If the network is unknown, cannot be cut into so many partitions or has fewer images.
    """
    choice = Choice(origin_of(network)) if isinstance(network, str) else network
    if images is not None and images < 1:
        raise ValueError(f"images is {images}; it must be 1 or more")
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be 0 or more")
    if not choice.origin.ours:
        return load_own(choice, partitions=partitions, seed=seed, images=images,
                        partitioner=partitioner, prune=prune, plan=plan, measure=measure, say=say)
    if plan is not None:
        raise ValueError(f"a plan goes with a network of your own; {choice.origin.text} is pruned "
                         "by its own")
    name, partitions = choice.origin.text, partitions or MOST_PARTITIONS
    if name == "tinyvgg16-slim":
        return _slim(partitions, seed, images, prune, choice.data, say)
    with given("images", images):
        check_images(name, images)
    shape_graph(name, prune, partitions)  # refuses what cannot be cut, before anything is trained
    if name == "tinyvgg16":
        return _tinyvgg16(partitions, seed, images or 1, choice.origin.weights, partitioner, prune,
                          say)
    return _digits(partitions, seed, images or 64, partitioner or "optimised", prune, say)


def _tinyvgg16(partitions: int, seed: int, count: int, checkpoint: Path | None,
               partitioner: str | None, prune: str, say: Callable[[str], None]) -> Workload:
    with torch.device("meta") if checkpoint is None else nullcontext():
        net = tinyvgg16()
    images = natural_images(max(8, count), TINYVGG16_SHAPE, seed)
    if checkpoint is None:
        weights = (f"seeded weights (seed {seed}) with the statistics and ReLU sparsity of a "
                   "trained, narrower network, not trained; seeded images")
        float_graph = trained_like(capture(net.to_empty(device="cpu"), TINYVGG16_SHAPE,
                                           "tinyvgg16"), images, seed, say)
    else:
        load_checkpoint(net, checkpoint)
        weights = f"weights of {checkpoint.name}; seeded images"
        float_graph = capture(net, TINYVGG16_SHAPE, "tinyvgg16")
    if partitioner is None:
        partitioner = "identity" if checkpoint is None else "optimised"
    plan = partition(float_graph, prunable_layers(float_graph, prune), partitions, partitioner,
                     seed=seed, progress=say)
    say("quantising")
    dense = quantise(float_graph, images, equal=False)
    left = apply_plan(float_graph, plan)
    if checkpoint is None:
        left = with_trained_zeros(left, images, seed, say)
    pruned = quantise(left, images, equal=False)
    return Workload(float_graph.name, weights, dense, pruned,
                    tuple(dense.quantise_input(x) for x in images[:count]),
                    pictures=pictures(float_graph, plan), partitions=partitions)


def _slim(partitions: int, seed: int, count: int | None, prune: str, data: Path | None,
          say: Callable[[str], None]) -> Workload:
    """The trained network of a quarter of the width that the package carries, in int8."""
    check_stored("tinyvgg16-slim", partitions, prune)
    dense, pruned = (load_integer(DATA / f"tinyvgg16-slim-{form}.safetensors")
                     for form in ("dense", "pruned"))
    weights = "trained on Tiny ImageNet, a quarter of TinyVGG16's width; "
    if data is None:
        images = natural_images(count or 1, TINYVGG16_SHAPE, seed)
        return Workload("tinyvgg16-slim", weights + "seeded images", dense, pruned,
                        tuple(dense.quantise_input(x) for x in images), partitions=partitions)
    held = load_tiny_imagenet(data, classes=dense.out_shape[0], per_class=1,
                              cache=own_cache() / "images", say=say)
    _, plain = random_crops(TINYVGG16_SHAPE[1], PIXEL_MEAN, PIXEL_DEVIATION)
    pixels = torch.from_numpy(np.array(held.held_images))
    labels = torch.from_numpy(held.held_labels)
    if count and count > len(labels):
        raise ValueError(f"images is {count}; {data} has {len(labels)} held-out ones")
    say("measuring int8 accuracy on the held-out images")

    def share(graph: IntegerGraph) -> float:
        return accuracy(lambda x: run_integer(graph, plain(x)), pixels, labels).top1

    measured = {"int8": share(dense), "pruned int8": share(pruned)}
    chosen = np.random.default_rng(seed).permutation(len(labels))[:count or 8]
    images = plain(pixels[torch.from_numpy(chosen)]).numpy()
    return Workload("tinyvgg16-slim", weights + f"{len(images)} held-out images", dense, pruned,
                    tuple(dense.quantise_input(x) for x in images), held.held_labels[chosen],
                    measured, partitions=partitions)


def _digits(partitions: int, seed: int, count: int, partitioner: str, prune: str,
            say: Callable[[str], None]) -> Workload:
    done = train_digits(partitions, seed=seed, cache=own_cache(), partitioner=partitioner,
                        prune=prune, say=say)
    return Workload(
        "digits", f"trained on scikit-learn's digits (seed {seed}); {count} held-out scans",
        done.dense, done.pruned,
        tuple(done.dense.quantise_input(x) for x in done.images[:count]), done.labels[:count],
        done.accuracy, done.pictures, partitions)
