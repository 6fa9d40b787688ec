"""Integers of a batch at once, and what accuracy counts."""

import numpy as np
import pytest
import torch

from sw.prune.apply import apply_plan
from sw.quantise.post_training import quantise
from sw.reference.batched import accuracy, run_integer
from sw.reference.golden import run_golden


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


def test_accuracy_counts_ties_for_the_lowest_class():
    outputs = torch.tensor([[5, 5, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]])
    result = accuracy(lambda x: x, outputs, torch.tensor([1, 5]))
    assert (result.top1, result.top5) == (0.0, 0.5)


@pytest.mark.parametrize(("images", "labels"), [(0, 0), (3, 1), (3, 4)])
def test_an_accuracy_needs_a_label_for_each_image(images, labels):
    with pytest.raises(ValueError, match="there must be one label for each image, and 1 image"):
        accuracy(lambda x: x, torch.zeros(images, 3), torch.zeros(labels, dtype=torch.int64))
