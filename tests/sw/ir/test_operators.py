"""Every operator has a shape and a meaning that agree, and a place in each table of its level."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch

from sw.fuse import layers, maps
from sw.graph.function import Function
from sw.graph.quantisation import Quantisation
from sw.ir.building import Builder
from sw.ir.evaluate import MEANINGS, evaluate
from sw.ir.graph import Graph, Node, Value
from sw.ir.operators import (
    OPERATORS,
    Affine,
    AvgPool,
    Clamp,
    Concat,
    Conv,
    Gather,
    Interleave,
    Linear,
    MaxPool,
    Mosaic,
    Operator,
    Pad,
    Pointwise,
    Product,
    Quantise,
    Reshape,
    ShapeError,
    Softmax,
    Sum,
    Transpose,
)
from sw.ir.spec import Level, SpecError, check
from sw.ir.windows import adaptive, averaged, pooled

TABLES: dict[str, tuple[Mapping[type[Operator], object], tuple[type[Operator], ...]]] = {
    "sw.ir.evaluate.MEANINGS": (MEANINGS, OPERATORS),
    "sw.fuse.maps.RULES": (maps.RULES, Level.IMPORTED.value),
    "sw.fuse.layers.RULES": (layers.RULES, Level.MAPS.value)}
RNG = np.random.default_rng(1)


def weights(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


#: An operator, and shapes of its inputs.
CASES: list[tuple[Operator, list[tuple[int, ...]]]] = [
    (Conv(weights(4, 2, 3, 2), weights(4), (2, 1), (1, 0, 2, 1), (2, 1), 2), [(4, 9, 8)]),
    (Linear(weights(3, 5), weights(3)), [(5,)]), (Affine(weights(3), weights(3)), [(3, 4, 2)]),
    (Sum((1.0, -0.5, 2.0)), [(3, 4, 2)] * 3), (Concat(1), [(3, 2, 2), (3, 5, 2)]),
    (MaxPool((3, 2), (2, 1), (1, 0, 1, 1), True), [(2, 8, 5)]),
    (AvgPool((3, 3), (2, 2), (1, 1, 1, 1)), [(2, 8, 8)]),
    (AvgPool((3, 2), (2, 1), (-2, 1, -1, -3)), [(2, 8, 8)]),
    (Clamp(-0.5, math.inf), [(3, 2)]), (Pad((1, 0, 2, 3), 0.5), [(2, 3, 3)]),
    (Reshape((6, 4)), [(2, 3, 4)]), (Transpose((2, 0, 1)), [(2, 3, 4)]),
    (Gather((2, 0, 2), 1), [(2, 3, 4)]), (Softmax(0, True), [(7,)]),
    (Quantise(Quantisation(0.1, 3, -20, 20)), [(3, 4, 2)]),
    (Interleave((2, 3)), [(2, 2, 3), (2, 2, 2), (2, 2, 2), (2, 1, 3), (2, 1, 2), (2, 1, 2)]),
    (Mosaic((2, 3)), [(2, 2, 3), (2, 2, 1), (2, 2, 2), (2, 5, 3), (2, 5, 1), (2, 5, 2)]),
    (Pointwise(Function("slope", (Function("x"),), ((0.5, -1.0, 2.0),))), [(3, 4, 2)]),
    (Product(), [(3, 4, 2)] * 2), (Product(), [(3, 1, 1), (3, 4, 2)]),
]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_each_operator_of_its_level(table):
    found, wanted = TABLES[table]
    lacking = [op.__name__ for op in wanted if op not in found]
    assert not lacking, f"{table} lacks {', '.join(lacking)}"
    assert set(found) <= set(OPERATORS)


def test_there_is_a_case_for_each_operator():
    assert {type(op) for op, _ in CASES} == set(OPERATORS)


@pytest.mark.parametrize(("op", "shapes"), CASES)
def test_the_meaning_gives_the_shape_of_the_rule(op, shapes):
    inputs = tuple(torch.randn(2, *shape) for shape in shapes)
    assert tuple(MEANINGS[type(op)](op, inputs).shape) == (2, *op.shape(*shapes))


@pytest.mark.parametrize(("count", "ceil"), [(True, True), (False, True), (True, False)])
def test_windows_are_counted_as_torch_does(count, ceil):
    x = torch.randn(2, 3, 8, 10)
    for kernel, stride, pad in ((3, 2, 1), (2, 2, 0), (3, 3, 1), (5, 2, 2), (4, 3, 0)):
        border = (pad, pad, pad, pad)
        nodes: list[Node] = []
        over = [averaged(size, kernel, stride, pad, pad, ceil=ceil, count_padding=count)
                for size in (8, 10)]
        y = pooled(Builder("pool", "pool", nodes), Value("x", (3, 8, 10)), AvgPool, *over)
        average = Graph("net", Value("x", (3, 8, 10)), tuple(nodes), y.name)
        largest = MaxPool((kernel, kernel), (stride, stride), border, ceil)
        torch.testing.assert_close(
            evaluate(average, x), torch.nn.functional.avg_pool2d(
                x, kernel, stride, pad, ceil, count))
        assert torch.equal(MEANINGS[MaxPool](largest, (x,)), torch.nn.functional.max_pool2d(
            x, kernel, stride, pad, ceil_mode=ceil))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 9, 20])
def test_windows_that_share_out_a_map_are_those_of_torch(count):
    x, image = torch.randn(2, 3, 7, 13), Value("x", (3, 7, 13))
    for kind, wanted in ((AvgPool, torch.nn.functional.adaptive_avg_pool2d),
                         (MaxPool, torch.nn.functional.adaptive_max_pool2d)):
        nodes: list[Node] = []
        y = pooled(Builder("pool", "pool", nodes), image, kind, adaptive(7, count),
                   adaptive(13, count))
        torch.testing.assert_close(evaluate(Graph("net", image, tuple(nodes), y.name), x),
                                   wanted(x, count))


@pytest.mark.parametrize(("op", "shapes", "message"), [
    (Conv(weights(4, 2, 3, 3), weights(4)), [(3, 9, 9)], "weights take 2 channels; the input has"),
    (Conv(weights(4, 3, 3, 3), weights(4)), [(3, 2, 9)], r"its window of \[3, 3\] is larger than"),
    (Conv(weights(4, 3, 3, 3), weights(4)), [(27,)], r"a convolution takes \[C, H, W\], not \[27"),
    (Linear(weights(3, 5), weights(3)), [(4,)], r"5 inputs takes a vector of them, not \[4\]"),
    (Affine(weights(3), weights(3)), [(4, 2, 2)], "3 factors and 3 offsets; the value has 4 chan"),
    (Sum((1.0, 1.0)), [(3, 2, 2), (3, 1, 1)], "a sum takes values of one shape"),
    (Product(), [(3, 2, 2), (3, 2, 1)], "a product takes values of one shape, or one number"),
    (Concat(), [(3, 2, 2), (3, 2, 1)], "cannot be joined along axis 0"),
    (Mosaic((1, 2)), [(3, 2, 2), (3, 1, 2)], "make no map beside each other"),
    (Mosaic((2, 2)), [(3, 2, 2)] * 3, "2 x 2 maps are needed beside each other, not 3"),
    (Reshape((5,)), [(2, 3)], r"\[2, 3\] cannot become \[5\]"),
    (Transpose((0, 1)), [(2, 3, 4)], r"axes \[0, 1\] are not those of"),
    (Gather((3,)), [(3, 2, 2)], "it takes 1 of 3 positions"),
])
def test_values_that_an_operator_cannot_take_are_refused(op, shapes, message):
    with pytest.raises(ShapeError, match=message):
        op.shape(*shapes)


# -- graphs ----------------------------------------------------------------------------------------
X = Value("x", (2, 4, 4))
RELU, HALF = Node("a", Clamp(0.0), ("x",), "a"), Node("b", Gather((0,)), ("a",), "b")
BOTH = Node("c", Concat(), ("a", "b"), "c")
NET = Graph("net", X, (RELU, HALF, BOTH), "c")


def test_a_graph_knows_who_gives_and_takes_a_value():
    assert NET.producer("b") is HALF and NET.producer("x") is None
    assert NET.consumers("a") == (HALF, BOTH) and NET.uses("c") == 1 and NET.uses("a") == 2
    assert NET.values["c"].shape == (3, 4, 4)
    assert evaluate(NET, torch.ones(1, 2, 4, 4)).sum() == 48


def test_nodes_are_replaced_and_what_nobody_needs_is_gone():
    halved = NET.replace(lambda node: [
        Node("c", Clamp(high=1.0), ("b",), "c") if node is BOTH else node])
    assert [x.output for x in halved.nodes] == ["a", "b", "c"]
    assert [x.output for x in NET.pruned(NET.nodes, "a").nodes] == ["a"]


@pytest.mark.parametrize(("graph", "level", "message"), [
    (Graph("net", X, (HALF,), "b"), Level.IMPORTED, "node b: takes a, not given before it"),
    (Graph("net", X, (RELU, RELU), "a"), Level.IMPORTED, "node a: gives a value that there is"),
    (Graph("net", X, (RELU,), "z"), Level.IMPORTED, "nothing gives its output z"),
    (Graph("net", X, (Node("a", Reshape((32,)), ("x",), "a"),), "a"), Level.MAPS,
     "node a: Reshape is not of this level"),
    (Graph("net", X, (Node("a", Reshape((5,)), ("x",), "a"),), "a"), Level.IMPORTED, "cannot bec"),
    (Graph("net", X, (Node("a", Concat(1), ("x", "x"), "a"),), "a"), Level.MAPS, "gives no map"),
])
def test_a_graph_that_is_not_of_its_level_is_a_fault_of_a_pass(graph, level, message):
    with pytest.raises(SpecError, match=message):
        check(graph, level)
