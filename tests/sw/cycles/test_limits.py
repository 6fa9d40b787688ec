"""Nothing that is shown passes the bound that it is shown beside."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from hw.config import PRESETS, Config
from sw.compiler.compile import lower
from sw.compiler.predict import predict
from sw.cycles.limits import Limit, Roof, network_limit
from sw.cycles.prediction import predict_lowered
from sw.data import stored
from sw.experiment.arms import layer_kind
from sw.graph.integer import IntegerGraph, Pool
from sw.readme.limits import limit_of
from sw.readme.tables import TABLES
from sw.report.values import ArmReport, LayerReport
from tests.support.accelerators import PIPELINED
from tests.support.present import present
from tests.support.programs import random_layer, random_network

STORED = [(f"{a['name']}, {file}", a["layers"], a["macs_per_cycle"] // 64, a["memory"], 8)
          for file in ("measured-tinyvgg16.json", "zeros-tinyvgg16.json")
          for a in stored(file)["arms"]]
STORED += [(f"{r['prune']}-{r['partitions']} {r['memory']}", r["layers"], r["partitions"],
            r["memory"], r["partitions"]) for r in stored("scaling-tinyvgg16.json")]


@pytest.mark.parametrize(("layers", "instances", "memory", "partitions"),
                         [x[1:] for x in STORED], ids=[x[0] for x in STORED])
def test_no_run_of_measured_layers_passes_its_roof(layers, instances, memory, partitions):
    bytes_per_cycle = 16 * (instances if memory == "private" else 1)
    for past in range(1, len(layers) + 1):
        run = layers[:past]
        cycles = sum(x["cycles"] for x in run)
        limit = limit_of(run, instances=instances, memory=memory, partitions=partitions)
        assert 0 < limit.cycles <= cycles
        if "weight_port_bytes" in run[0]:
            assert sum(x["weight_port_bytes"] for x in run) <= bytes_per_cycle * cycles
            assert sum(x["macs"] - (x["skipped_macs"] or 0) for x in run) <= (
                64 * instances * cycles)


@pytest.mark.parametrize(("name", "seed"), list(itertools.product(PIPELINED, range(3000, 3006))))
def test_no_run_of_predicted_layers_passes_its_roof(name, seed):
    config, graph = PIPELINED[name], random_network(seed)
    found = predict_lowered(lower(graph, config))
    arm = _arm(config, [LayerReport(
        x.name, x.macs, x.weight_bytes, cycles, x.needed_macs, x.weight_bytes, x.weight_bytes,
        None, None, True, x.pruned, layer_kind(x), "one")
        for x, cycles in zip(graph.layers, found.layer_cycles, strict=True)])
    assert all(y is not None and 0 < y.efficiency <= 1 for y in arm.so_far)
    assert present(arm.so_far[-1]).limit == network_limit(graph.layers, config)


@pytest.mark.parametrize(("size", "kernel", "stride"), [
    (3, 2, 2), (7, 2, 2), (8, 2, 4), (12, 3, 3), (9, 2, 3)])
def test_what_pooling_leaves_out_is_not_needed(size, kernel, stride):
    """Many channels, so that little but multiplying takes time."""
    out = (size - kernel) // stride + 1
    layer = random_layer(np.random.default_rng(1), "conv", (64, size, size), 64, 3, pad=1)
    layer = replace(layer, out_shape=(64, out, out),
                    pool=Pool((kernel, kernel), (stride, stride), (0, 0), (out, out)))
    read = {k * stride + j for k in range(out) for j in range(kernel)}
    assert layer.needed_macs == 64 * 64 * 9 * len(read) ** 2 < layer.macs or len(read) == size
    graph = IntegerGraph("net", (layer,), 1.0, 1.0)
    for instances in (1, 4):
        config = PRESETS["default"].replace(instances=instances)
        assert network_limit(graph.layers, config).cycles <= predict(graph, config).cycles


def _arm(config: Config, layers: list[LayerReport], **fields) -> ArmReport:
    roof = Roof.of(config)
    return ArmReport("dense-1", config.instances, config.port.memory, roof.macs_per_cycle,
                     roof.bytes_per_cycle, sum(x.cycles for x in layers), tuple(layers), (), 0,
                     1.0, **fields)


def _layer(cycles: int, macs: int, batched: bool) -> LayerReport:
    return LayerReport("x", macs, 0, cycles, macs, 0, 0, None, None, True, False, "fc", "one",
                       batched=batched)


def test_weights_fetched_ahead_count_by_the_end_of_their_own_layer():
    """The second layer's cycles are fewer than those of its multiply-accumulates."""
    arm = _arm(Config(instances=1), [_layer(110, 64 * 10, False), _layer(40, 64 * 50, False)])
    assert [present(y).limit for y in arm.so_far] == [Limit(10, "compute"), Limit(60, "compute")]
    assert [present(y).cycles for y in arm.so_far] == [110, 150]


def test_of_a_batch_only_ends_by_which_no_later_layer_has_run_have_a_bound():
    layers = [_layer(10, 64, False), _layer(10, 64, False), _layer(10, 64, True),
              _layer(10, 64, True)]
    assert [y is None for y in _arm(Config(instances=1), layers, batch=2).so_far] == [
        True, False, False, False]
    assert [y is None for y in _arm(Config(instances=1), layers[:2], batch=2).so_far] == [
        True, False]


def test_a_limit_is_rounded_up_and_says_what_sets_it():
    roof = Roof.of(Config(instances=8))
    assert roof == Roof(512, 16)
    assert roof.limit(513, 1) == Limit(2, "compute") and roof.limit(513, 48) == Limit(3, "memory")


def test_no_table_shows_more_than_all_of_a_limit():
    for name in ("limits", "scaling"):
        shares = [float(cell[:-2]) for line in TABLES[name]().splitlines()
                  for cell in line.split("| ") if cell.endswith("% ")]
        assert shares and max(shares) <= 100.0
