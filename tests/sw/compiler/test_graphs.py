"""Graphs compute what the golden model computes; what they read stays on chip where it fits."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from hw.config import Config
from hw.isa import Opcode
from sw.compiler import Program, Unsupported, compile_graph
from sw.compiler.compile import lower
from sw.compiler.predict import predict
from sw.cycles.prediction import predict_lowered
from sw.graph.edges import BranchError
from sw.graph.integer import IntegerGraph, Output
from sw.iss.system import run_program
from sw.lowering.switches import Switches, switched
from sw.reference.golden import run_golden
from tests.support.accelerators import CONFIGS
from tests.support.programs import instructions
from tests.support.recipes import Recipe
from tests.support.residual import residual_network

ROOMY = CONFIGS["2x4x4"].replace(instances=1)


def check(graph: IntegerGraph, program: Program, seed: int = 0) -> None:
    """Run a program and compare every output that is there when it ends."""
    images = np.random.default_rng(seed).integers(-128, 128, (program.batch, *graph.in_shape),
                                                  np.int8)
    outputs, _ = run_program(program, images if program.batch > 1 else images[0], seed)
    assert outputs[-1] is not None
    golden = zip(*(run_golden(graph, image) for image in images), strict=True)
    for layer, got, expected in zip(graph.layers, outputs, golden, strict=True):
        if got is not None:
            np.testing.assert_array_equal(got.reshape(program.batch, *layer.out_shape),
                                          np.stack(expected), layer.name)


def loads(program: Program) -> Counter[int]:
    """How many LOADs each layer has on instance 0."""
    return Counter(fields["layer"] for opcode, fields in instructions(program, 0)
                   if opcode == Opcode.LOAD)


@pytest.mark.parametrize("instances", [1, 3])
def test_all_that_a_network_gives_is_stored_and_stays(instances):
    graph = residual_network(1, side=8, width=8)
    given = [layer.name for layer in (graph.layers[-1], *graph.layers[:-1:3])]
    several = replace(graph, outputs=tuple(Output(name, name) for name in given))
    config = ROOMY.replace(instances=instances)
    programs = [compile_graph(g, config, store_all=False) for g in (graph, several)]
    check(several, programs[1])
    stored = [{layer.name for k, layer in enumerate(graph.layers) if p.outputs[k] is not None
               and k not in p.overwritten} for p in programs]
    assert stored[1] >= {*given} and not stored[0] >= {*given}


@pytest.mark.parametrize("store_all", [True, False])
@pytest.mark.parametrize("instances", [1, 2, 3, 8])
def test_every_kind_of_branch_on_some_and_many_instances(instances, store_all):
    graph = residual_network(instances, side=8, width=8)
    config = CONFIGS["2x4x4"].replace(instances=instances)
    check(graph, compile_graph(graph, config, store_all=store_all), instances)


def test_a_residual_value_stays_on_chip_beside_what_is_computed_from_it():
    graph = residual_network(1)
    program = compile_graph(graph, ROOMY)
    # What is joined is loaded; all else is where it was made.
    assert set(loads(program)) == {0, 8}
    assert [info.name for info in program.layers if not info.resident] == ["conv0", "conv12"]
    check(graph, program)


def test_a_value_is_not_held_over_a_layer_that_it_would_slow_down():
    """In 256 words there is room for the first output up to the sum, but not for much else."""
    same = "kernel_h=3 kernel_w=3 pad_top=1 pad_left=1"
    graph = Recipe.parse(f"2x4x4 channels=4 rows=10 columns=10 conv {same} out=4 conv {same} "
                         f"out=16 conv {same} out=16 conv {same} out=4 plus groups=4 back=2").graph
    config = CONFIGS["2x4x4"].replace(instances=1, buffers__act_words=256)
    lowered = lower(graph, config)
    assert [where.resident for where in lowered.stages[3].plan.reads] == [False, False]
    check(graph, compile_graph(graph, config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sw.lowering.keep._WORTH", 99)
        held = lower(graph, config)
    assert [where.resident for where in held.stages[3].plan.reads] == [False, True]
    assert predict_lowered(lowered).cycles < 0.95 * predict_lowered(held).cycles


def test_an_input_that_several_terms_take_is_loaded_once():
    graph = residual_network(1)
    with switched(resident=False, early_start=False):
        program = compile_graph(graph, ROOMY)
    stripes = program.layers[2].stripes
    assert loads(program)[2] == 2 * stripes  # of three reads
    check(graph, program)


def test_outputs_that_nobody_reads_any_more_make_room_in_external_memory():
    graph = residual_network(2)
    config = CONFIGS["2x4x4"]
    whole, tight = (compile_graph(graph, config, store_all=store_all)
                    for store_all in (True, False))
    assert tight.tensor_bytes < 0.6 * whole.tensor_bytes
    assert tight.tensor_bytes <= tight.window_bytes and not whole.overwritten
    outputs, _ = run_program(tight, np.zeros(graph.in_shape, np.int8))
    stored = [k for k, place in enumerate(tight.outputs) if place is not None]
    assert set(tight.overwritten) < set(stored)
    assert [k for k, output in enumerate(outputs) if output is not None] == [
        k for k in stored if k not in tight.overwritten]


def test_what_is_overwritten_survives_a_file(tmp_path):
    program = compile_graph(residual_network(2), CONFIGS["2x4x4"], store_all=False)
    program.save(tmp_path / "net.npz")
    again = Program.load(tmp_path / "net.npz")
    assert program.overwritten
    assert (again.overwritten, again.tensor_bytes, again.outputs) == (
        program.overwritten, program.tensor_bytes, program.outputs)


@pytest.mark.parametrize("batch", [2, 5])
def test_a_batch_goes_through_the_branches_image_by_image(batch):
    graph = residual_network(3, side=8, width=8)
    program = compile_graph(graph, CONFIGS["2x4x4"].replace(buffers__log_entries=64), batch=batch)
    assert [info.stacked for info in program.layers] == [False] * 9 + [True]
    check(graph, program)


@pytest.mark.parametrize("name", list(vars(Switches())))
def test_a_graph_is_right_without_each_optimisation(name):
    graph = residual_network(4, side=8, width=8)
    with switched(**{name: False}):
        check(graph, compile_graph(graph, CONFIGS["2x4x4"].replace(instances=3)))


@pytest.mark.parametrize("text", [
    # a layer some of whose loads are multicast, of which others are not
    "2x4x4 seed=749611932 last_only=1 channels=3 rows=7 columns=4 conv kernel_w=3 pad_left=1 out=9 "
    "conv kernel_h=2 kernel_w=2 pad_top=1 stride=2 pool=3 pool_stride=2 pool_pad=1 out=15 groups=3 "
    "plus stride=2 back=1 plus kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 stride=2 "
    "conv kernel_h=3 pad_top=1 out=9 dead=90 plus fc out=13 low=-128",
])
def test_recipes_that_have_failed(text):
    recipe = Recipe.parse(text)
    check(recipe.graph, recipe.program)
    assert predict(recipe.graph, recipe.config).cycles > 0


def test_partitions_of_a_graph_are_not_dropped():
    with pytest.raises(BranchError, match=r"^layer conv2: reads conv1 and conv0 and conv0; a "
                                          r"program whose partitions can be dropped takes chains"):
        compile_graph(residual_network(1), CONFIGS["2x4x4"], scalable=True)


def test_a_term_without_an_encoding_is_refused_by_its_layer_and_number():
    graph = residual_network(1)
    layer = graph.layers[4]
    assert layer.terms[0].stride == (2, 2)
    wide = replace(layer, terms=(replace(layer.terms[0], stride=(2, 16)),))
    layers = (*graph.layers[:4], wide, *graph.layers[5:])
    with pytest.raises(Unsupported, match=r"^layer conv6: term 0: stride is 16; it must be at "
                                          r"most 15"):
        compile_graph(replace(graph, layers=layers), Config(instances=1))
