"""Requantisation parameters that a network computes: what their bytes mean, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from sw.graph.integer import GraphError
from sw.graph.records import parameters_in
from sw.reference.golden import run_golden
from tests.support.factored import factored


def test_the_bytes_are_those_of_the_weight_stream():
    value = np.array([[-2, -1, -1, -1, 100, 0, 9, 0], [1, 2, 0, -128, -1, 127, 47, 0]], np.int8)
    bias, mult, shift = parameters_in(value.reshape(16, 1, 1))
    assert bias.tolist() == [-2, 0x80000201 - (1 << 32)]
    assert mult.tolist() == [100, 0x7FFF] and shift.tolist() == [9, 47]


def test_a_layer_with_factors_is_requantised_by_them():
    """Number by number, in Python's own integers."""
    graph = factored()
    image = np.random.default_rng(2).integers(-128, 128, graph.in_shape, np.int8)
    x, _, records, y, _ = run_golden(graph, image)
    layer = graph.layers[3]
    bias, mult, shift = parameters_in(records)
    assert len(set(mult.tolist())) > 3
    for c, row, column in np.ndindex(*y.shape):
        acc = int(x[c, row, column]) * int(layer.weight[c, 0, 0, 0]) + int(bias[c])
        found = (acc * int(mult[c]) + (1 << int(shift[c]) - 1) >> int(shift[c])) + layer.offset
        assert y[c, row, column] == min(max(found, layer.low), layer.high)


def changed(k, **fields):
    graph = factored()
    layers = list(graph.layers)
    layers[k] = replace(layers[k], **fields)
    return replace(graph, layers=tuple(layers))


def twice():
    graph = factored()
    again = replace(graph.layers[3], name="again", source="excite1")
    return replace(graph, layers=(*graph.layers[:4], again, replace(graph.layers[4], source=None)))


RECORDS = factored().layers[2]


@pytest.mark.parametrize(("graph", "said"), [
    (changed(3, shift=np.full(10, 3, np.uint8)), "layer excite1: its factors are excite1f's; bias"),
    (changed(2, weight=np.ones_like(RECORDS.weight)),
     "layer excite1: its factors are excite1f's, of which nothing but mult may depend"),
    (changed(2, bias=np.full(80, 48, np.int32)), "excite1f's, which shift by 48; it must be at"),
    (changed(2, bias=np.tile([-1, -1, -1, 127, 0, 0, 9, 0], 10).astype(np.int32)),
     "layer excite1: channel 7 can reach .* the int32 accumulator"),
    (changed(3, factors="excite1s"), r"takes \(80, 1, 1\); layer excite1s gives \(10, 1, 1\)"),
    (changed(3, factors="nobody"), "layer excite1: reads 'nobody'"),
    (twice(), "layer excite1f: gives the factors of 2 layers; it can give those of one"),
    (changed(3, factors=None), "layer excite1f of random is read by no layer"),
    (changed(4, source="excite1f"), "takes .10, 5, 4.; layer excite1f gives"),
])
def test_what_breaks_the_rules_is_named(graph, said):
    with pytest.raises(GraphError, match=said):
        graph.validate()
