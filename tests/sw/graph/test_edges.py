"""Who reads what in a graph of layers, and what is refused by name."""

from dataclasses import replace

import numpy as np
import pytest

from hw.config import Config
from sw.compiler.compile import compile_graph
from sw.graph.edges import BranchError
from sw.graph.integer import INPUT, GraphError, IntegerGraph, Join, Layer, Term
from tests.support.programs import random_graph, random_layer

RNG = np.random.default_rng(1)
STEM = random_layer(RNG, "stem", (3, 6, 6), 4, 3, pad=1)
LEFT = replace(random_layer(RNG, "left", (4, 6, 6), 4, 3, pad=1), source="stem")
RIGHT = replace(random_layer(RNG, "right", (4, 6, 6), 2, 1), source="stem")
HEAD = replace(random_layer(RNG, "head", (6, 6, 6), 5, 6), source="both")
BOTH = Join("both", ("left", "right"))


def diagonal(source: str, shape: tuple[int, int, int]) -> Term:
    return Term(source, np.full((shape[0], 1, 1, 1), 100, np.int8), (1, 1), (0, 0), shape[0],
                shape, shape)


def network(*layers: Layer, joins: tuple[Join, ...] = ()) -> IntegerGraph:
    return IntegerGraph("net", layers, 1.0, 1.0, joins)


FORK = network(STEM, LEFT, RIGHT, HEAD, joins=(BOTH,))


def test_values_say_their_shapes_parts_and_readers():
    FORK.validate()
    assert FORK.value_shape(INPUT) == (3, 6, 6) and FORK.value_shape("both") == (6, 6, 6)
    assert FORK.parts("both") == ("left", "right") and FORK.parts("stem") == ("stem",)
    assert FORK.readers("stem") == (1, 2) and FORK.readers("left") == (3,) == FORK.readers("both")
    assert FORK.readers(INPUT) == (0,) and FORK.output == "head"
    assert [FORK.source(k) for k in range(4)] == [INPUT, "stem", "stem", "both"]


def test_a_chain_is_one_whether_or_not_it_names_its_sources():
    chain = random_graph(1)
    named = replace(chain, layers=tuple(
        replace(x, source=chain.layers[k - 1].name if k else INPUT)
        for k, x in enumerate(chain.layers)))
    assert chain.is_chain and named.is_chain and not FORK.is_chain
    assert not replace(chain, layers=(*chain.layers[:1], replace(
        chain.layers[1], terms=(diagonal("conv1", chain.layers[1].conv_shape),)))).is_chain


def test_what_takes_chains_only_names_the_first_layer_with_a_branch():
    with pytest.raises(BranchError, match="layer right: reads stem; a program whose part"):
        compile_graph(FORK, Config(), scalable=True)


@pytest.mark.parametrize(("graph", "message"), [
    (network(STEM, replace(LEFT, source="stm")), "layer left: reads 'stm': 'stm' is no value of "
     "net; did you mean 'stem'"),
    (network(STEM, LEFT, replace(RIGHT, name="left")), "two layers or joins of the same name, 'l"),
    (network(STEM, LEFT, replace(RIGHT, name=INPUT)), "of the same name, '<input>'"),
    (network(STEM, replace(RIGHT, source="left"), replace(LEFT, source="stem")),
     "layer right: reads left, which does not come before it"),
    (network(STEM, replace(LEFT, source="left")), "layer left: reads left, which does not come"),
    (network(STEM, LEFT, RIGHT), "layer left of net is read by no layer"),
    (network(STEM, LEFT, RIGHT, HEAD, joins=(Join("both", ("left", "left")),)),
     r"layer head: takes \(6, 6, 6\); join both gives \(8, 6, 6\)"),
    (network(STEM, LEFT, RIGHT, HEAD, joins=(BOTH, Join("more", ("both", "stem")))),
     "join more: its part both is a join, too; name that one's parts"),
    (network(STEM, LEFT, RIGHT, HEAD, joins=(BOTH, Join("none", ()))), "join none: has no parts"),
    (network(STEM, LEFT, RIGHT, HEAD, joins=(BOTH, Join("few", ("left", "right"), (2, 2)))),
     "join few: has 2 parts for 2 rows and 2 columns in turn"),
    (network(STEM, LEFT, RIGHT, HEAD, joins=(BOTH, Join("all", (INPUT, "left")))),
     "join all: its part is the network's input; let a layer copy that"),
    (network(STEM, LEFT, RIGHT, HEAD, joins=(BOTH, Join("idle", ("stem", "left")))),
     "join idle of net is read by no layer"),
    (network(STEM, replace(LEFT, terms=(diagonal("stem", (3, 6, 6)),))),
     r"layer left: term 0 \(of stem\): gives \(3, 6, 6\); the layer sums \(4, 6, 6\)"),
    (network(STEM, replace(LEFT, terms=(replace(diagonal("stem", (4, 6, 6)), stride=(1, 0)),))),
     r"layer left: term 0 \(of stem\): stride is \(1, 0\); it must be 1 or more"),
    (network(STEM, replace(LEFT, dilation=(0, 1))), r"layer left: dilation is \(0, 1\); it must"),
    (network(STEM, replace(LEFT, pad_value=-129)), "layer left: pad_value is -129; it must lie in"),
    (network(STEM, replace(LEFT, offset=128)), "layer left: offset is 128; it must lie in -128 to"),
    (network(STEM, replace(LEFT, epsilon=3, terms=(diagonal("stem", (4, 6, 6)),))),
     "layer left: epsilon is 3; a layer of several terms takes none"),
])
def test_what_breaks_a_rule_is_named(graph, message):
    with pytest.raises(GraphError, match=message):
        graph.validate()


def test_the_accumulators_bound_is_over_all_terms():
    inputs = 1 << 17
    shape = (inputs, 1, 1)
    weight = np.full((1, inputs, 1, 1), 127, np.int8)
    layer = replace(random_layer(RNG, "fc", shape, 1, 1), weight=weight,
                    bias=np.zeros(1, np.int32))
    layer.validate()
    two = replace(layer, terms=(Term(INPUT, weight, (1, 1), (0, 0), 1, shape, (1, 1, 1)),))
    with pytest.raises(GraphError, match="layer fc: channel 0 can reach 4261412864; the int32"):
        two.validate()
