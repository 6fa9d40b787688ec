"""Integers of a batch at once, and what accuracy counts."""

import numpy as np
import pytest
import torch

from sw.graph.integer import Layer
from sw.prune.apply import apply_plan
from sw.quantise.post_training import quantise
from sw.reference import batched
from sw.reference.batched import accuracy, run_integer, sums
from sw.reference.golden import convolve, run_golden


@pytest.mark.parametrize("prune", ["none", "fc", "all"])
def test_batched_integers_equal_the_golden_model(dense, task, prune):
    trainer, net = dense
    graph = trainer.graph(net)
    if prune != "none":
        graph = apply_plan(graph, trainer.plan(net, 4, prune, "optimised", 1))
    images = task.plain(torch.from_numpy(task.data.held_images[:16]))
    integer = quantise(graph, images.numpy())
    outputs = run_integer(integer, images)
    for image, output in zip(images.numpy(), outputs.numpy(), strict=True):
        golden = run_golden(integer, integer.quantise_input(image))[-1]
        assert np.array_equal(golden, output)


@pytest.mark.parametrize(("inputs", "groups"), [(1023, 1), (1024, 1), (64, 64)])
def test_the_largest_sums_are_exact(inputs, groups):
    """Of 2^24 - 1 in steps of 1, which float32 holds; and beyond, which it does not."""
    out, shape = (2, (inputs, 2, 2)) if groups == 1 else (64, (64, 2, 2))
    weight = np.full((out, inputs // groups, 1, 1), -128, np.int8)
    weight[0, 0] = 127
    layer = Layer("1", weight, np.full(out, 3, np.int32), np.full(out, 1, np.uint16),
                  np.full(out, 17, np.uint8), low=-128, high=127, stride=(1, 1),
                  padding=(0, 0), in_shape=shape, conv_shape=(out, 2, 2),
                  out_shape=(out, 2, 2), groups=groups)
    images = np.full((2, *shape), -128, np.int8)
    images[1, ::3] = 127
    found = sums(layer, [torch.from_numpy(images).double()])
    product = images.astype(np.int64).reshape(2, groups, -1, 4)
    plain = np.einsum("goi,ngip->ngop", weight.astype(np.int64).reshape(
        groups, out // groups, -1), product).reshape(2, out, 2, 2) + 3
    assert np.array_equal(found.numpy(), plain)


def test_accuracy_counts_ties_for_the_lowest_class():
    outputs = torch.tensor([[5, 5, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]])
    result = accuracy(lambda x: x, outputs, torch.tensor([1, 5]))
    assert (result.top1, result.top5) == (0.0, 0.5)


@pytest.mark.parametrize(("images", "labels"), [(0, 0), (3, 1), (3, 4)])
def test_an_accuracy_needs_a_label_for_each_image(images, labels):
    with pytest.raises(ValueError, match="there must be one label for each image, and 1 image"):
        accuracy(lambda x: x, torch.zeros(images, 3), torch.zeros(labels, dtype=torch.int64))


@pytest.mark.parametrize(("kernel", "groups", "stride", "dilation", "read_bytes"), [
    (3, 1, 1, 1, 1), (3, 2, 2, 2, 1), (3, 1, 2, 1, 8 * 2 * 5 * 4 * 9 * 2), (10, 1, 1, 1, 1)])
def test_sums_of_some_rows_or_inputs_at_a_time_are_those_of_the_whole(
        kernel, groups, stride, dilation, read_bytes, monkeypatch):
    """Whose last rows are fewer than the others; of a matrix, some of its columns."""
    monkeypatch.setattr(batched, "_READ_BYTES", read_bytes)
    monkeypatch.setattr(batched, "_FEW", 90)
    rng = np.random.default_rng(0)
    size = (10 - (kernel - 1) * dilation - 1) // stride + 1
    shape = 6, size, size
    layer = Layer("1", rng.integers(-128, 128, (6, 4 // groups, kernel, kernel), np.int8),
                  np.full(6, 3, np.int32), np.full(6, 1, np.uint16), np.full(6, 17, np.uint8),
                  low=-128, high=127, stride=(stride, stride), padding=(0, 0), groups=groups,
                  in_shape=(4, 10, 10), conv_shape=shape, out_shape=shape,
                  dilation=(dilation, dilation))
    images = rng.integers(-128, 128, (2, 4, 10, 10), np.int8)
    found = sums(layer, [torch.from_numpy(images).double()]).numpy()
    for image, ours in zip(images, found, strict=True):
        assert np.array_equal(ours, convolve(layer, image) + 3)
