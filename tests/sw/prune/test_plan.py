"""Partitions are balanced, optimal where that can be known, and improve step by step."""

import itertools
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from sw.graph.floating import FloatGraph, FloatLayer
from sw.prune.apply import apply_plan
from sw.prune.layers import prunable_layers
from sw.prune.names import PARTITIONERS
from sw.prune.partition import balanced_assignment, partition
from sw.prune.plan import PartitionError, PartitionPlan
from tests.support.floating import mask_layers, run_float


def linear(name: str, weight: np.ndarray, low: float | None = 0.0) -> FloatLayer:
    out, inputs = weight.shape
    rng = np.random.default_rng(out)
    return FloatLayer(name, weight.astype(np.float32).reshape(out, inputs, 1, 1),
                      rng.standard_normal((out,)).astype(np.float32), (1, 1), (0, 0), 1,
                      (inputs, 1, 1), (out, 1, 1), (out, 1, 1), low=low)


def chain(seed: int, widths=(24, 48, 32, 16, 10)) -> FloatGraph:
    rng = np.random.default_rng(seed)
    return FloatGraph("chain", tuple(
        linear(f"fc{k}", rng.standard_normal((b, a)))
        for k, (a, b) in enumerate(itertools.pairwise(widths))))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), places=st.integers(1, 6), size=st.integers(1, 6))
def test_balanced_assignment_is_exact(seed, places, size):
    gain = np.random.default_rng(seed).integers(0, 9, (places * size, places)).astype(float)
    found = balanced_assignment(gain)
    rows, columns = linear_sum_assignment(-np.repeat(gain, size, axis=1))
    assert np.bincount(found, minlength=places).tolist() == [size] * places
    best = np.repeat(gain, size, axis=1)[rows, columns].sum()
    assert gain[np.arange(len(found)), found].sum() == best


@pytest.mark.parametrize("partitioner", PARTITIONERS)
@pytest.mark.parametrize("partitions", [1, 2, 4, 8])
def test_every_boundary_is_balanced(partitioner, partitions):
    graph = chain(3)
    plan = partition(graph, ["fc1", "fc2"], partitions, partitioner)
    for boundary, width in zip(plan.boundaries, (48, 32, 16), strict=True):
        assert np.bincount(boundary).tolist() == [width // partitions] * partitions


def test_kept_weight_never_falls_and_beats_the_identity():
    graph = chain(5)
    plan = partition(graph, ["fc1", "fc2"], 4)
    assert all(a <= b + 1e-12 for a, b in zip(plan.history, plan.history[1:], strict=False))
    assert sum(plan.kept) > sum(partition(graph, ["fc1", "fc2"], 4, "identity").kept)


def test_a_planted_structure_is_recovered():
    rng = np.random.default_rng(11)
    partitions, widths = 8, (64, 128, 64)
    owners = [rng.permutation(np.repeat(np.arange(partitions), w // partitions)) for w in widths]
    layers = [linear("first", rng.standard_normal((64, 16)))]
    planted = total = 0.0
    for k, (a, b) in enumerate(itertools.pairwise(owners)):
        same = b[:, None] == a[None, :]
        weight = rng.standard_normal(same.shape) * np.where(same, 1.0, 0.05)
        planted += np.abs(weight[same]).sum()
        total += np.abs(weight).sum()
        layers.append(linear(f"fc{k}", weight))
    plan = partition(FloatGraph("planted", tuple(layers)), ["fc0", "fc1"], partitions, starts=6)
    kept = sum(np.abs(layer.weight[:, :, 0, 0])[plan.mask(k)].sum()
               for k, layer in enumerate(layers[1:]))
    assert kept >= 0.98 * planted


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), partitions=st.sampled_from([2, 4, 8]),
       partitioner=st.sampled_from(PARTITIONERS))
def test_folding_permutations_leaves_the_masked_function(seed, partitions, partitioner):
    graph = chain(seed)
    plan = partition(graph, ["fc1", "fc2"], partitions, partitioner, seed=seed)
    images = np.random.default_rng(seed).standard_normal((4, 24, 1, 1)).astype(np.float32)
    masked = run_float(mask_layers(graph, plan), images)[-1]
    pruned = apply_plan(graph, plan)
    np.testing.assert_allclose(run_float(pruned, images)[-1], masked, rtol=1e-4, atol=1e-4)
    assert [x.groups for x in pruned.layers] == [1, partitions, partitions, 1]
    assert pruned.layers[1].weight.size * partitions == graph.layers[1].weight.size


@pytest.mark.parametrize("names,partitions,message", [
    (["fc1", "fc2"], 5, r"layer fc1: 48 input channels are not divisible by 5 partitions; "
                        r"possible: 1, 2, 3, 4, 6, 8"),
    (["fc1", "fc3"], 2, "layers fc1, fc3 are not neighbours in order"),
    (["fc9"], 2, "layer 'fc9' is not in chain; its layers are fc0, fc1"),
    ([], 2, "chain has no layer that can be pruned"),
    (["fc1"], 0, "partitions is 0; it must be a whole number of 1 or more"),
    (["fc1"], 4.0, "partitions is 4.0; it must be a whole number of 1 or more"),
])
def test_what_cannot_be_cut_is_refused_with_a_reason(names, partitions, message):
    with pytest.raises(ValueError, match=message):
        partition(chain(1), names, partitions)


def test_the_classifier_and_the_first_layer_keep_their_order():
    graph = chain(2)
    with pytest.raises(PartitionError, match="layer fc3: is the last"):
        apply_plan(graph, partition(graph, ["fc2", "fc3"], 2, "random"))
    plan = partition(graph, ["fc0", "fc1"], 2, "random")
    assert np.array_equal(plan.permutation(0), np.arange(24))


def test_fc_prunes_all_linear_layers_but_the_classifier():
    assert prunable_layers(chain(1)) == ["fc0", "fc1", "fc2"]
    assert prunable_layers(chain(1), "all") == ["fc1", "fc2"]


def test_a_plan_survives_its_file(tmp_path):
    plan = partition(chain(4), ["fc1", "fc2"], 4)
    plan.save(tmp_path / "plan.json")
    again = PartitionPlan.load(tmp_path / "plan.json")
    assert again.layers == plan.layers and again.kept == plan.kept
    assert all(np.array_equal(a, b)
               for a, b in zip(again.boundaries, plan.boundaries, strict=True))


@pytest.mark.parametrize("change,message", [
    (lambda d: d.update(version=99), "not a partition plan of version 1 to 2"),
    (lambda d: d["boundaries"][0].__setitem__(0, 3), "boundary 0 has"),
    (lambda d: d.pop("kept"), r"plan\.json: kept is missing"),
])
def test_a_broken_plan_file_is_refused(tmp_path, change, message):
    path = tmp_path / "plan.json"
    partition(chain(4), ["fc1", "fc2"], 4, "identity").save(path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(PartitionError, match=message):
        PartitionPlan.load(path)


def random_network(rng: np.random.Generator) -> FloatGraph:
    """Convolutions, some of them grouped or depthwise, then linear layers, of random widths."""
    layers: list[FloatLayer] = []
    shape = int(rng.choice([1, 3, 4, 6])), 3, 3

    def add(out: int, kernel: int, groups: int, size: int) -> None:
        nonlocal shape
        weight = rng.standard_normal((out, shape[0] // groups, kernel, kernel)).astype(np.float32)
        pad, result = (size - shape[1] + kernel - 1) // 2, (out, size, size)
        layers.append(FloatLayer(
            f"layer{len(layers)}", weight, rng.standard_normal(out).astype(np.float32),
            (1, 1), (pad, pad), groups, shape, result, result, low=0.0))
        shape = result

    for _ in range(int(rng.integers(0, 5))):
        kind = rng.integers(4)
        groups = shape[0] if kind == 0 else 2 if kind == 1 and shape[0] % 2 == 0 else 1
        add(groups * int(rng.integers(1, 5)), 3, groups, 3)
    for _ in range(int(rng.integers(1, 5))):
        groups = shape[0] if rng.integers(5) == 0 else 1
        add(groups * int(rng.integers(1, 13)), shape[1], groups, 1)
    return FloatGraph("random", tuple(layers))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), prune=st.sampled_from(["fc", "all"]),
       partitioner=st.sampled_from(PARTITIONERS))
def test_what_is_named_as_prunable_can_be_cut(seed, prune, partitioner):
    rng = np.random.default_rng(seed)
    graph = random_network(rng)
    names = prunable_layers(graph, prune)
    if not names:
        return
    layers = [graph.layer(name) for name in names]
    partitions = math.gcd(layers[0].in_shape[0], *(x.out_shape[0] for x in layers))
    assert partitions > 1
    plan = partition(graph, names, partitions, partitioner, seed=seed % 1000)
    images = rng.standard_normal((2, *graph.layers[0].in_shape)).astype(np.float32)
    np.testing.assert_allclose(run_float(apply_plan(graph, plan), images)[-1],
                               run_float(mask_layers(graph, plan), images)[-1],
                               rtol=1e-3, atol=1e-3)


def test_a_layer_before_depthwise_ones_alone_has_the_order_of_the_output():
    graph = random_network(np.random.default_rng(21889))
    assert graph.layers[-1].groups > 1
    assert graph.layers[-2].name not in prunable_layers(graph, "all")


def test_a_network_of_flattened_images_is_pruned_behind_its_first_layer():
    layers = [linear("fc0", np.ones((512, 784))), linear("fc1", np.ones((512, 512))),
              linear("fc2", np.ones((10, 512)))]
    images = replace(layers[0], weight=layers[0].weight.reshape(512, 1, 28, 28),
                     in_shape=(1, 28, 28))
    assert prunable_layers(FloatGraph("images", (images, *layers[1:]))) == ["fc1"]
    assert prunable_layers(FloatGraph("vectors", tuple(layers))) == ["fc0", "fc1"]


def test_layers_without_a_common_divisor_are_not_named():
    assert prunable_layers(chain(1, (7, 5, 3, 2))) == []
    assert prunable_layers(chain(1, (7, 8, 12, 5, 10))) == ["fc1"]


@pytest.mark.parametrize(("changes", "message"), [
    ({"boundaries": ([0, 1], [0, 1], [0, 0])}, r"boundary 2 has \[2, 0\] channels per partition"),
    ({"boundaries": ([0, 1], [0, 2], [0, 1])}, "boundary 1 has 2 channels in partitions 0 to 2"),
    ({"boundaries": ([0, 1], [0, 1])}, "2 layers need 3 boundaries, not 2"),
    ({"boundaries": ([0, 1], [0, 1], [0.0, 1.0])}, r"boundary is float64\[2\]; it must be a row"),
    ({"partitions": 2.0}, "not a partition plan: 'float' object cannot be"),
    ({"ends": ((0, 1),)}, "2 layers need as many pairs of ends, not 1"),
    ({"ends": ((0, 1), (1, 9))}, r"ends are \[\(0, 1\), \(1, 9\)\]; there are 3 boundaries"),
    ({"kept": (1.0,)}, r"2 layers need as many finite shares of kept weight, not \[1.0\]"),
    ({"history": (float("nan"),)}, "as many finite shares"),
    ({"layers": "ab"}, "layers are 'ab' and the partitioner 'own'; they must be a list"),
    ({"partitioner": 7}, "the partitioner 7; they must be")])
def test_what_is_no_plan_cannot_be_made(changes, message):
    fields: Any = {"partitions": 2, "layers": ("a", "b"), "boundaries": ([0, 1],) * 3,
              "kept": (1.0, 1.0), "history": (1.0,), "partitioner": "own", "seed": 1}
    assert PartitionPlan(**fields).ends_of(1) == (1, 2)
    with pytest.raises(PartitionError, match=message):
        PartitionPlan(**fields | changes)


def test_numbers_of_numpy_are_saved_and_a_path_may_be_text(tmp_path):
    fields: Any = (np.int64(2), ["a"], [[0, 1], np.array([1, 0], np.uint8)], [np.float32(0.5)],
                   [np.float64(0.5)], "own", np.int64(1))
    plan = PartitionPlan(*fields)
    plan.save(str(tmp_path / "plan.json"))
    assert PartitionPlan.load(str(tmp_path / "plan.json")) == plan
