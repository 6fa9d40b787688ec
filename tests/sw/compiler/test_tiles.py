"""Rows that do not fit are cut into tiles, and compute what the golden model computes."""

import numpy as np
import pytest

from hw.isa import Opcode
from sw.compiler import DoesNotFit, compile_graph
from sw.lowering.switches import switched
from tests.support.compiler_cases import make_layer
from tests.support.programs import instructions

from .test_compile import SMALL, chain, check


@pytest.mark.parametrize(("shape", "kernel", "pool"), [
    ((1, 4, 80), (3, 3), None),
    ((5, 3, 1024), (3, 5), (3, 2, 1)),
    ((5, 1024, 3), (5, 3), (2, 2, 0)),
    ((9, 6, 67), (3, 3), (3, 2, 1)),  # no pool of 67 columns is whole
])
def test_rows_wider_than_the_accumulators_are_cut_into_tiles(shape, kernel, pool):
    rng = np.random.default_rng(0)
    padding = kernel[0] // 2, kernel[1] // 2
    first = make_layer(rng, "wide", shape, 6, kernel=kernel, padding=padding, pool=pool)
    then = make_layer(rng, "then", first.out_shape, 5, kernel=kernel, padding=padding, stride=2)
    graph = chain(first, then)
    program = compile_graph(graph, SMALL)
    assert program.layers[0].stripes >= first.conv_shape[1] * shape[2] // 64 // 2
    check(graph, program)


def test_input_rows_wider_than_their_buffer_are_cut_into_tiles():
    rng = np.random.default_rng(0)
    graph = chain(make_layer(rng, "wide", (4, 7, 300), 8, stride=9))
    with switched(tap_packing=False):
        program = compile_graph(graph, SMALL)
    loads = [f for opcode, f in instructions(program, 0) if opcode == Opcode.LOAD]
    assert max(f["runs"] * f["run_words"] for f in loads) < 300 <= program.layers[0].stripes * 300
    check(graph, program)


def test_a_pooling_window_too_large_names_layer_need_and_remedy():
    rng = np.random.default_rng(0)
    graph = chain(make_layer(rng, "pooled", (1, 12, 80), 4, pool=(9, 9, 0)))
    with pytest.raises(DoesNotFit, match=r"^layer pooled: needs accumulators for 9 rows of 9 "
                       r"pixels; there are 64 pixels: raise buffers.acc_depth, or pool a smaller "
                       r"window$") as error:
        compile_graph(graph, SMALL)
    assert error.value.exit_code == 4
