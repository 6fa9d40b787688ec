"""How many instances work on a layer: more of them are no slower, and idle ones cost nothing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hw.config import PRESETS, Config
from sw.compiler import CompileError, compile_graph
from sw.compiler.choose import _Chains, choose, least_cycles
from sw.compiler.compile import Lowered, lower
from sw.compiler.predict import predict
from sw.cycles.prediction import predict_lowered
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.graph.integer import IntegerGraph
from sw.lowering.encoding import multiplies
from sw.lowering.nodes import nodes_of
from sw.lowering.taps import pack_input
from sw.networks.shapes import shape_graph
from sw.reference.golden import run_golden
from tests.support.accelerators import CONFIGS
from tests.support.compiler_cases import configs, graphs, make_layer
from tests.support.present import same
from tests.support.programs import random_network


def dense(*widths: int) -> IntegerGraph:
    """Linear layers of these widths."""
    rng = np.random.default_rng(1)
    return IntegerGraph("dense", tuple(
        make_layer(rng, f"fc{k}", (a, 1, 1), b, kernel=(1, 1), padding=(0, 0))
        for k, (a, b) in enumerate(pairwise(widths))), 1.0, 1.0)


def cycles(graph: IntegerGraph, config: Config, counts: range) -> list[int]:
    found = []
    for count in counts:
        try:
            found.append(predict(graph, config.replace(instances=count)).cycles)
        except CompileError:
            assert not found, "what fits fewer instances fits more"
    return found


def assert_no_slower(found: list[int], config: Config) -> None:
    """More instances than before take no more cycles. One alone has the port without a switch, on
    the way through which requests take a cycle more and follow each other a cycle later."""
    if config.port.memory == "shared":
        alone, *found = found
        assert not found or found[0] <= 1.25 * alone
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("memory", ["shared", "private"])
def test_small_dense_layers_take_no_longer_on_more_instances(memory):
    config = PRESETS["default"].replace(port__memory=memory)
    assert_no_slower(cycles(dense(16, 64, 64, 32, 10), config, range(1, 10)), config)


@settings(max_examples=15, deadline=None)
@given(graph=graphs(), config=configs())
def test_more_instances_are_no_slower(graph, config):
    """Of networks whose first layer is packed for all of these numbers, or for none."""
    assume(len({pack_input(nodes_of(graph), config.replace(instances=count))[1] is None
                for count in range(1, 9)}) == 1)
    assume(multiplies(config) or not any(x.factors for x in graph.layers))
    assert_no_slower(cycles(graph, config, range(1, 9)), config)


@pytest.mark.parametrize(("partitions", "counts"), [(2, range(1, 9)), (8, (1, 4, 8, 16))])
def test_fewer_and_more_partitions_than_instances(partitions, counts):
    found = cycles(shape_graph("digits", "fc", partitions), PRESETS["default"], counts)
    assert found == sorted(found, reverse=True)


@settings(max_examples=25, deadline=None)
@given(graph=graphs(), config=configs(), batch=st.integers(1, 3), store_all=st.booleans())
def test_no_alternative_is_faster_than_the_least_that_it_is_taken_to_need(graph, config, batch,
                                                                          store_all):
    """So none is left out that would have been chosen."""
    tried = []

    def spy(nodes, order, config, stores, lowered, *more):
        for counts in ([config.instances], [1], range(1, config.instances + 1)):
            splits = _Chains(nodes, config).cheapest(counts)
            tried.append((least_cycles(nodes, splits, order, config, stores), lowered(splits)))
        return choose(nodes, order, config, stores, lowered, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sw.compiler.compile.choose", spy)
        try:
            lower(graph, config, batch=batch, store_all=store_all)
        except CompileError:
            return
    for least, lowered in tried:
        assert isinstance(lowered, Lowered)
        assert least <= predict_lowered(lowered).cycles


@pytest.mark.parametrize(("prune", "partitions", "memory"), [
    ("fc", 1, "shared"), ("fc", 8, "shared"), ("all", 8, "private")])
def test_large_layers_still_use_all_instances(prune, partitions, memory):
    config = PRESETS["default"].replace(port__memory=memory)
    for stage in lower(shape_graph("tinyvgg16", prune, partitions), config).stages:
        assert None not in stage.split.items


@pytest.mark.builds
@pytest.mark.parametrize("graph", [dense(16, 64, 64, 32, 10), random_network(3), dense(8, 8)],
                         ids=["dense", "random", "one layer"])
def test_idle_instances_save_cycles_in_rtl(graph):
    config = CONFIGS["8x1x1"]
    image = np.random.default_rng(2).integers(-128, 128, graph.in_shape, dtype=np.int8)
    measured = []
    for splits in (None, _Chains(nodes_of(graph), config).cheapest([8])):
        program = compile_graph(graph, config, splits=splits)
        with open_backend("verilator", config, memory_bytes=program.window_bytes) as backend:
            driver = Driver(backend)
            driver.load(program)
            result = driver.run(image)
        measured.append(result.cycles)
        for ours, theirs in zip(result.outputs, run_golden(graph, image), strict=True):
            assert same(ours, theirs)
    assert measured[0] <= measured[1]
