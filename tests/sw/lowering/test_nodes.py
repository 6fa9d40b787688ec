"""What layers read: channels of joins on words of their own."""

import numpy as np

from sw.graph.integer import IntegerGraph, Join, Layer
from sw.lowering.nodes import Node, Read, nodes_of, readers_of
from tests.support.compiler_cases import make_layer
from tests.support.residual import residual_network


def joined() -> tuple[Layer, tuple[Node, ...]]:
    """Two branches of 5 and 3 channels, and a layer that reads them side by side."""
    rng = np.random.default_rng(0)
    a, b = (make_layer(rng, name, (2, 4, 4), out) for name, out in (("a", 5), ("b", 3)))
    last = make_layer(rng, "last", (8, 4, 4), 6)
    graph = IntegerGraph("net", (a, _reading(b, "<input>"), _reading(last, "both")), 1.0, 1.0,
                         (Join("both", ("a", "b")),))
    graph.validate()
    return last, nodes_of(graph)


def _reading(layer: Layer, source: str) -> Layer:
    return Layer(**{**vars(layer), "source": source})


def test_the_parts_of_a_join_begin_on_words_of_their_own():
    _, nodes = joined()
    read = nodes[2].reads[0]
    assert read.values == (1, 2) and read.channels == (5, 3) and read.value is None
    assert read.words(4) == 3
    assert read.places(4).tolist() == [0, 1, 2, 3, 4, 8, 9, 10]
    assert [read.span(*channels, 4) for channels in ((0, 4), (3, 6), (5, 8))] == [
        (0, 1), (0, 3), (2, 3)]
    # value, its own words, and the first of them as the read counts
    assert list(read.parts((0, 3), 4)) == [(1, 0, 2, 0), (2, 0, 1, 2)]
    assert list(read.parts((1, 3), 4)) == [(1, 1, 2, 1), (2, 0, 1, 2)]
    assert list(read.parts((2, 3), 4)) == [(2, 0, 1, 2)]


def test_channels_of_one_value_fill_its_words():
    layer, _ = joined()
    read = Read(layer, (3,), (8,))
    assert read.value == 3 and read.words(3) == 3
    assert read.places(3).tolist() == list(range(8))
    assert read.span(2, 7, 3) == (0, 3) and read.span(3, 6, 3) == (1, 2)


def test_readers_are_those_of_a_value_and_of_joins_that_it_is_part_of():
    _, nodes = joined()
    assert readers_of(nodes) == [[0, 1], [2], [2], []]
    assert nodes[0].follows and not nodes[1].follows and not nodes[2].follows


def test_terms_that_take_the_same_input_share_it():
    node = nodes_of(residual_network(1))[2]
    assert [read.values for read in node.reads] == [(2,), (1,), (1,)]
    assert node.sources == (0, 1, 1)
