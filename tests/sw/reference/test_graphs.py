"""Graphs of layers: both references against the rule, computed plainly."""

import numpy as np
import pytest
import torch

from sw.graph.artefact import load_integer, save_integer
from sw.graph.integer import INPUT, IntegerGraph
from sw.reference.batched import run_integer
from sw.reference.golden import run_golden
from tests.support.graphs import random_integer_graph


def plainly(graph: IntegerGraph, image: np.ndarray) -> dict[str, np.ndarray]:
    """Every value by the rule: int64 sums of torch's convolutions, one requantisation, pooling."""
    values = {INPUT: image.astype(np.int64)}
    for k, layer in enumerate(graph.layers):
        for join in graph.joins:
            if all(part in values for part in join.sources):
                values[join.name] = np.concatenate([values[part] for part in join.sources])
        acc = layer.bias.astype(np.int64)[:, None, None]
        for part, source in zip((layer, *layer.terms), graph.sources(k), strict=True):
            x = torch.from_numpy(values[source])[None]
            height, width = ((n - 1) * s + (m - 1) * d + 1 for n, s, m, d in zip(
                part.conv_shape[1:], part.stride, part.weight.shape[2:], part.dilation,
                strict=True))
            top, left = part.padding
            x = torch.nn.functional.pad(x, (left, width - left - x.shape[3], top,
                                            height - top - x.shape[2]), value=part.pad_value)
            acc = acc + torch.nn.functional.conv2d(
                x, torch.from_numpy(part.weight.astype(np.int64)), stride=part.stride,
                dilation=part.dilation, groups=part.groups)[0].numpy()
        y = np.stack([(a * int(m) + (1 << int(s) >> 1)) >> int(s)
                      for a, m, s in zip(acc, layer.mult, layer.shift, strict=True)])
        y = np.clip(y + layer.offset, layer.low, layer.high)
        found = torch.from_numpy(y.astype(np.float64))
        if layer.pool is not None:
            found = torch.nn.functional.max_pool2d(found, layer.pool.kernel, layer.pool.stride)
        values[layer.name] = found.numpy().astype(np.int64)
    return values


@pytest.mark.parametrize("seed", range(30))
def test_golden_and_batched_follow_the_rule_and_survive_a_file(seed, tmp_path):
    graph = random_integer_graph(seed)
    graph.validate()
    rng = np.random.default_rng(seed)
    images = rng.integers(-128, 128, (2, *graph.in_shape), dtype=np.int8)
    save_integer(graph, tmp_path / "net.safetensors")
    loaded = load_integer(tmp_path / "net.safetensors")
    for image in images:
        expected = plainly(graph, image)
        for network in (graph, loaded):
            found = run_golden(network, image)
            for layer, y in zip(graph.layers, found, strict=True):
                assert np.array_equal(y, expected[layer.name]), layer.name
    batched = run_integer(graph, torch.from_numpy(images).float()).numpy()
    assert np.array_equal(batched[1], expected[graph.output])


def test_random_graphs_have_all_that_a_graph_can_have():
    graphs = [random_integer_graph(seed) for seed in range(30)]
    layers = [layer for graph in graphs for layer in graph.layers]
    assert sum(len(x.terms) for x in layers) > 60
    assert sum(len(g.joins) for g in graphs) > 20
    assert any(t.stride == (2, 2) for x in layers for t in x.terms)
    assert any(t.groups > 1 for x in layers for t in x.terms)
    parts = [part for x in layers for part in (x, *x.terms)]
    assert sum(max(p.dilation) > 1 for p in parts) > 20
    assert sum(p.pad_value != 0 for p in parts) > 20 < sum(x.offset != 0 for x in layers)
