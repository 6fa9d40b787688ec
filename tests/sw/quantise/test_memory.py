"""What quantising holds beside a network's weights, and that it is to the bit what layers made all
at once give."""

import multiprocessing
import os
import time
import tracemalloc
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from torch import nn

from sw.frontend.torch import capture
from sw.quantise.equalise import channel_factors
from sw.quantise.needed import quantise_as_needed
from sw.quantise.post_training import equalise, quantise
from sw.quantise.scaled import Scaled
from sw.quantise.shown import Shown
from sw.reference.golden import run_golden
from tests.support.networks import settled
from tests.support.published import PUBLISHED

#: Bytes that quantising and validating VGG16 may take above its weights, and trying zero points as
#: well: two networks in integers, and what the allocator keeps, which varies.
MOST, MOST_OF_TWO = 600e6, 800e6


def spread(features: int, out: int) -> nn.Module:
    """Channels of very unlike sizes before a large layer, which is then another one."""
    first, large = nn.Linear(8, features), nn.Linear(features, out)
    first.weight.data *= torch.logspace(-2, 2, features)[:, None]
    return settled(nn.Sequential(first, nn.ReLU(), large, nn.ReLU(), nn.Linear(out, 4)))


def test_no_second_copy_of_the_weights_is_made():
    graph = capture(spread(2048, 2048), (8, 1, 1))
    images = np.random.default_rng(0).standard_normal((4, 8, 1, 1)).astype(np.float32)
    tracemalloc.start()
    integers = quantise(graph, images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    large = graph.layers[1].weight.nbytes
    assert large == 16 << 20 and peak < large
    whole = quantise(equalise(graph, images), images, equal=False)
    assert not np.array_equal(equalise(graph, images).layers[1].weight, graph.layers[1].weight)
    for a, b in zip(integers.layers, whole.layers, strict=True):
        assert all(np.array_equal(getattr(a, x), getattr(b, x))
                   for x in ("weight", "bias", "mult", "shift"))


def test_values_are_to_the_bit_what_divided_layers_give():
    graph = capture(settled(nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.SiLU(), nn.Conv2d(12, 12, 3, groups=12), nn.ReLU(),
        nn.Conv2d(12, 4, 3))), (3, 9, 9))
    for layer, by in zip(graph.layers, (12, 12), strict=False):
        layer.weight[...] *= np.logspace(-2, 2, by, dtype=np.float32)[:, None, None, None]
    images = np.random.default_rng(0).standard_normal((4, 3, 9, 9)).astype(np.float32)
    scaled = Scaled(graph, channel_factors(graph, images))
    assert any((by != 1).any() for by in scaled.factors.outputs.values())
    for (_, ours), (_, theirs) in zip(Shown(scaled, images).batches(),
                                      Shown(scaled.whole(), images).batches(), strict=True):
        for (read, y), (exactly, z) in zip(ours, theirs, strict=True):
            assert torch.equal(y, z)
            assert all(map(torch.equal, read(), exactly()))


def held() -> float:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * float(os.sysconf("SC_PAGE_SIZE"))


def measured(_: int) -> dict[str, float]:
    """Bytes above VGG16 and its images that each step takes at most."""
    make, shape = PUBLISHED["vgg16"]
    torch.manual_seed(0)
    graph = capture(make().eval(), shape)
    images = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    before, most, running = held(), 0.0, True

    def watch() -> None:
        nonlocal most
        while running:
            most = max(most, held())
            time.sleep(0.005)

    watcher = Thread(target=watch)
    watcher.start()
    found = {}
    integers = quantise(graph, images)
    integers.validate()
    run_golden(integers, integers.quantise_input(images[0]))
    found["quantise"], most = most - before, 0.0
    del integers
    quantise_as_needed(graph, images)
    found["quantise_as_needed"], running = most - before, False
    watcher.join()
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_vgg16_takes_little_above_its_weights():
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # whose memory is its own
        found, = pool.map(measured, [0])
    assert 0 < found["quantise"] < MOST and 0 < found["quantise_as_needed"] < MOST_OF_TWO, found
