"""Partition Pruning of graphs: values that are added share one map, and what cannot be cut is
named."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sw.frontend.torch import capture
from sw.graph.floating import FloatGraph
from sw.prune.apply import apply_plan
from sw.prune.boundaries import boundaries_of
from sw.prune.layers import prunable_layers
from sw.prune.names import PARTITIONERS
from sw.prune.partition import partition
from sw.prune.picture import pictures
from sw.prune.plan import PartitionError, PartitionPlan
from sw.quantise.post_training import quantise
from sw.reference.batched import run_integer
from tests.support.floating import mask_layers, run_float
from tests.support.modules import random_module
from tests.support.networks import NETWORKS, settled

pytestmark = pytest.mark.filterwarnings("ignore::sw.ir.errors.CaptureNotice")


def captured(name: str) -> FloatGraph:
    make, shape = NETWORKS[name]
    return capture(settled(make()), shape, name)


def test_what_is_added_or_goes_through_a_depthwise_layer_is_one_boundary():
    known = boundaries_of(captured("resnet"))
    assert known.of["4.conv2"] == known.of["0"] != known.of["4.conv1"]
    assert known.of["6.conv2"] == known.of["5.conv2"] == known.of["7"] != known.of["0"]
    mobile = boundaries_of(captured("mobilenet_v2")).of
    assert mobile["1.body.0.0"] == mobile["1.body.1.0"] != mobile["1.body.2.0"] == mobile["0.0"]


@pytest.mark.parametrize("partitioner", PARTITIONERS)
@pytest.mark.parametrize(("name", "layers"), [
    ("resnet", ["4.conv1", "4.conv2", "5.conv1", "6.conv1", "6.conv2"]),
    ("mobilenet_v2", ["1.body.0.0", "1.body.2.0", "2.0.0", "3.body.0.0", "3.body.2.0", "4.0"]),
])
def test_the_pruned_graph_computes_what_the_masked_one_does(name, layers, partitioner):
    graph = captured(name)
    assert prunable_layers(graph, "all") == [
        x.name for x in graph.layers[1:-1] if x.groups == 1 and x.name != "5.conv2"]
    plan = partition(graph, layers, 4, partitioner, seed=3)
    images = np.random.default_rng(1).standard_normal((4, *graph.in_shape)).astype(np.float32)
    masked = run_float(mask_layers(graph, plan), images)[-1]
    pruned = apply_plan(graph, plan)
    np.testing.assert_allclose(run_float(pruned, images)[-1], masked, rtol=1e-3, atol=1e-5)
    assert {x.name for x in pruned.layers if x.pruned} == set(layers)
    assert sum(x.weight.size for x in pruned.layers if x.pruned) * 4 == sum(
        graph.layer(n).weight.size for n in layers)
    if partitioner == "optimised":
        assert all(b >= a for a, b in zip(plan.history, plan.history[1:], strict=False))
        assert len(pictures(graph, plan)) == len(layers)


def test_a_pruned_graph_is_quantised_and_its_plan_survives_a_file(tmp_path):
    graph = captured("resnet")
    plan = partition(graph, ["4.conv1", "4.conv2", "6.conv2"], 2)
    plan.save(tmp_path / "plan.json")
    pruned = apply_plan(graph, PartitionPlan.load(tmp_path / "plan.json"))
    images = torch.randn(16, *graph.in_shape)
    integer = quantise(pruned, images)
    found = run_integer(integer, images) * integer.output_scale
    exact = run_float(pruned, images)[-1]
    assert float((found - exact).norm() / exact.norm()) < 0.03
    assert [x.groups for x in integer.layers if x.pruned] == [2, 2, 2]


def test_optimised_partitions_keep_more_than_random_ones():
    graph, layers = captured("resnet"), ["4.conv1", "4.conv2", "5.conv1", "6.conv1", "6.conv2"]
    best = partition(graph, layers, 4).kept
    assert sum(best) > sum(partition(graph, layers, 4, "random").kept) + 0.1


@pytest.mark.parametrize(("layers", "message"), [
    (["5.conv2"], "layer 5.conv2: also sums a convolution of 4.conv2, which stays dense"),
    (["4.conv2", "4.conv1"], r"layers 4.conv2, 4.conv1 are not in order"),
    (["7"], "layer 7: has 16 groups already"),
])
def test_what_cannot_be_cut_is_named(layers, message):
    with pytest.raises(PartitionError, match=message):
        partition(captured("resnet"), layers, 2)


def test_channels_that_are_joined_keep_their_order():
    graph = captured("squeezenet")
    assert "3.left" in boundaries_of(graph).of
    plan = partition(graph, ["3.squeeze", "3.left"], 2)
    assert np.array_equal(plan.permutation(plan.ends_of(1)[1]), np.arange(6))
    moved = PartitionPlan(2, ("3.left",), (np.array([0, 1, 0, 1]), np.array([0, 1] * 3)), (0.5,),
                          (1.0,), "random", 1)
    with pytest.raises(PartitionError, match=r"join 3: has 3\.left and 3\.right in one order"):
        apply_plan(graph, moved)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_graph_is_cut_where_it_is_named_as_prunable(seed):
    torch.manual_seed(seed)
    net, shape = random_module(np.random.default_rng(seed))
    graph = capture(settled(net), shape)
    if graph.is_chain:
        return
    names = [n for n in prunable_layers(graph, "all") if graph.layer(n).in_shape[0] % 2 == 0
             and len(graph.layer(n).weight) % 2 == 0]
    if not names:
        return
    plan = partition(graph, names, 2, "random", seed=seed % 1000)
    images = np.random.default_rng(seed).standard_normal((2, *shape)).astype(np.float32)
    masked = run_float(mask_layers(graph, plan), images)[-1].numpy()
    np.testing.assert_allclose(run_float(apply_plan(graph, plan), images)[-1], masked,
                               rtol=1e-3, atol=1e-4 * np.abs(masked).max())
