"""Compiled networks compute what the golden model computes, under many schedules."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.config import PRESETS, ArrayConfig, BufferConfig, Config, PortConfig
from hw.isa import ISA_VERSION, Opcode
from sw.compiler import DoesNotFit, Program, ProgramError, Unsupported, compile_graph
from sw.graph.integer import IntegerGraph
from sw.iss.system import run_program
from sw.lowering.encoding import multiplies
from sw.lowering.errors import raising
from sw.lowering.steps import Step, hold_pieces
from sw.lowering.switches import Switches, switched
from sw.reference.golden import run_golden
from tests.support.compiler_cases import configs, graphs, make_layer
from tests.support.programs import instructions

SMALL = Config(instances=2, array=ArrayConfig(rows=4, cols=4),
               buffers=BufferConfig(act_words=512, acc_depth=64, weight_fifo_beats=32),
               port=PortConfig(bytes=8, burst_beats=8))


def chain(*layers) -> IntegerGraph:
    return IntegerGraph("net", layers, 1.0, 1.0)


def check(graph: IntegerGraph, program: Program, seed: int = 0) -> None:
    """Run a program and compare every stored layer of every image."""
    images = np.random.default_rng(seed).integers(-128, 128, (program.batch, *graph.in_shape),
                                                  np.int8)
    outputs, result = run_program(program, images if program.batch > 1 else images[0], seed)
    golden = zip(*(run_golden(graph, image) for image in images), strict=True)
    for layer, got, expected in zip(graph.layers, outputs, golden, strict=True):
        if got is not None:
            np.testing.assert_array_equal(got.reshape(program.batch, *layer.out_shape),
                                          np.stack(expected), layer.name)
    for info, number in zip(program.layers, range(len(graph.layers)), strict=True):
        logged = [i for i, marks in result.marks.items() if number in marks]
        assert len(logged) == info.instances
    runs = Counter(layer for layer, _ in program.order)
    for marks in result.marks.values():
        # Of a graph a layer that is not stored may end before the STORE of one before it.
        assert program.batch > 1 or marks == sorted(marks) or (
            not graph.is_chain and None in program.outputs)
        assert all(runs[layer] == count for layer, count in Counter(marks).items())


def compiled(graph: IntegerGraph, config: Config, *, store_all: bool, batch: int) -> Program | None:
    """A program; None of a network that does not fit, or multiplies where that cannot be."""
    try:
        return compile_graph(graph, config, store_all=store_all, batch=batch)
    except DoesNotFit:
        return None
    except Unsupported:
        if any(x.factors for x in graph.layers) and (batch > 1 or not multiplies(config)):
            return None
        raise


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(configs(), graphs(), st.integers(0, 999), st.booleans(), st.sampled_from([1, 1, 2, 5]))
def test_random_networks_are_exact_on_random_accelerators(config, graph, seed, store_all, batch):
    program = compiled(graph, config, store_all=store_all, batch=batch)
    if program is not None:
        check(graph, program, seed)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(configs(), graphs(), st.integers(0, 999), st.booleans(), st.integers(1, 20))
def test_many_random_networks_are_exact(config, graph, seed, store_all, batch):
    program = compiled(graph, config, store_all=store_all, batch=batch)
    if program is not None:
        check(graph, program, seed)


@pytest.mark.parametrize("instances", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("partitions", [1, 2, 4, 6, 12, 48])
def test_partitions_equal_larger_and_smaller_than_the_instances(instances, partitions):
    rng = np.random.default_rng(partitions)
    graph = chain(make_layer(rng, "conv", (3, 7, 7), 48, pool=(2, 2, 0)),
                  make_layer(rng, "fc1", (48, 3, 3), 96, kernel=(3, 3), padding=(0, 0),
                             groups=partitions),
                  make_layer(rng, "fc2", (96, 1, 1), 48, kernel=(1, 1), padding=(0, 0),
                             groups=partitions),
                  make_layer(rng, "fc3", (48, 1, 1), 10, kernel=(1, 1), padding=(0, 0)))
    config = dataclasses.replace(SMALL, instances=instances)
    check(graph, compile_graph(graph, config), instances)


def test_pruned_layers_stay_in_their_instance_without_a_barrier():
    rng = np.random.default_rng(0)
    graph = chain(*(make_layer(rng, f"conv{k}", (16, 6, 6), 16, groups=2) for k in range(3)))
    program = compile_graph(graph, SMALL)
    assert [info.resident for info in program.layers] == [False, True, True]
    for instance in range(2):
        names = [opcode for opcode, _ in instructions(program, instance)]
        assert Opcode.BARRIER not in names
        assert names.count(Opcode.WEIGHTS) == 3
    check(graph, program)


def test_input_that_all_need_is_multicast():
    rng = np.random.default_rng(0)
    graph = chain(make_layer(rng, "conv", (32, 4, 4), 32, kernel=(1, 1), padding=(0, 0)))
    program = compile_graph(graph, SMALL)
    loads = [fields for opcode, fields in instructions(program, 0) if opcode == Opcode.LOAD]
    assert loads and all(f["mask"] == 0b11 for f in loads)
    check(graph, program)


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Switches)])
@settings(max_examples=6, deadline=None)
@given(graph=graphs(), config=configs(), seed=st.integers(0, 99))
def test_a_program_is_right_without_each_optimisation(name, graph, config, seed):
    with switched(**{name: False}):
        try:
            program = compile_graph(graph, config)
        except (DoesNotFit, Unsupported):
            return
        check(graph, program, seed)


def test_few_input_channels_pack_their_taps():
    rng = np.random.default_rng(0)
    graph = chain(make_layer(rng, "conv", (3, 9, 9), 8, stride=2))
    config = Config(instances=1)
    packed = compile_graph(graph, config)
    with switched(tap_packing=False):
        plain = compile_graph(graph, config)
    assert packed.layers[0].tap_packed and not plain.layers[0].tap_packed
    assert packed.layers[0].macs == plain.layers[0].macs
    check(graph, packed)
    check(graph, plain)


def test_input_larger_than_the_memory_is_loaded_in_pieces():
    rng = np.random.default_rng(0)
    graph = chain(make_layer(rng, "fc", (16, 16, 16), 12, kernel=(16, 16), padding=(0, 0)))
    with switched(tap_packing=False):
        check(graph, compile_graph(graph, SMALL))


def test_pieces_stay_for_the_next_output_block_and_come_before_they_are_needed():
    pieces = [(0, 2), (2, 4), (4, 6), (6, 8)]
    steps = [Step((0, 1), piece) for piece in (*pieces, *reversed(pieces))]
    found = hold_pieces(steps, 2)
    assert [place.load for place in found] == 4 * [True] + [False, False, True, True]
    # Of two buffers, the one that the step before does not use.
    assert all(place.after <= max(k - 2, -1) for k, place in enumerate(found) if place.load)


def test_below_the_map_all_is_padding_however_far():
    rng = np.random.default_rng(0)
    layer = make_layer(rng, "conv", (3, 4, 3), 4, kernel=(1, 3), padding=(0, 1), relu=False)
    shape = (4, 304, 3)  # 300 rows of padding below
    graph = chain(dataclasses.replace(layer, conv_shape=shape, out_shape=shape, pad_value=-7,
                                      offset=5))
    check(graph, compile_graph(graph, SMALL))


def test_a_map_too_large_for_the_memory_names_what_is_needed():
    rng = np.random.default_rng(0)
    layer = make_layer(rng, "wide", (4, 2, 200), 4, kernel=(2, 200), padding=(0, 0))
    with switched(tap_packing=False), pytest.raises(
            DoesNotFit, match=r"^layer wide: needs 201 words of activation memory "
            r"at least; there are 128: raise buffers.act_words"):
        compile_graph(chain(layer), SMALL.replace(buffers__act_words=128))


@pytest.mark.parametrize(("channels", "groups"), [(6, 6), (3, 1)])
def test_a_kernel_that_sees_more_than_fits_is_summed_in_bands(channels, groups):
    rng = np.random.default_rng(0)
    shape = (channels, 40, 37)
    graph = chain(make_layer(rng, "conv", shape, channels, kernel=(1, 1), padding=(0, 0)),
                  make_layer(rng, "mean", shape, channels, kernel=(40, 37), padding=(0, 0),
                             groups=groups))
    check(graph, compile_graph(graph, SMALL))


def test_a_remedy_is_one_that_there_is():
    core = PRESETS["ice40up5k"]
    assert raising(core, "port.address_bits", 25, "x") == "raise port.address_bits, or x"
    assert raising(core, "port.address_bits", 26, "x") == "x; no port.address_bits is enough"
    assert raising(core, "buffers.acc_depth", 513) == "raise buffers.acc_depth"


def linear(shape: tuple[int, int, int]) -> IntegerGraph:
    """A 1x1 convolution, so that no taps are packed, and a linear layer on its whole map."""
    rng = np.random.default_rng(0)
    return chain(make_layer(rng, "conv", shape, shape[0], kernel=(1, 1), padding=(0, 0)),
                 make_layer(rng, "fc", shape, 8, kernel=shape[1:], padding=(0, 0)))


@pytest.mark.parametrize(("shape", "batch", "error", "message"), [
    ((4, 2, 1), 65, DoesNotFit, "layer fc: needs accumulators for 65 images; there are 64 pixels: "
     "raise buffers.acc_depth, or take fewer than 65 images at a time"),
    ((4, 8, 8), 8, DoesNotFit, "layer fc: needs 520 words of activation memory at least; there "
     "are 512: raise buffers.act_words, or take fewer than 8 images at a time"),
    ((4, 16, 2), 2, Unsupported, "layer fc: takes maps of 16 rows; a batch stacks maps of at most "
     "15: pool before it, or run the images one by one"),
    ((4, 15, 1), 70, Unsupported, "layer fc: map size is 1050; it must be at most 1023, or take "
     "fewer than 70 images at a time"),
    ((4, 2, 2), 999, DoesNotFit, "network net: needs 1000 log entries for its layers and images; "
     "there are 64: raise buffers.log_entries, or take fewer images at a time"),
    ((4, 2, 2), 0, ValueError, "batch is 0; it must be an int, 1 or more"),
])
def test_a_batch_that_does_not_fit_names_layer_need_and_remedy(shape, batch, error, message):
    config = SMALL.replace(buffers__log_entries=64 if batch == 999 else 128)
    with pytest.raises(error, match=f"^{message}"):
        compile_graph(linear(shape), config, batch=batch)


@pytest.mark.parametrize(("shape", "message"), [
    ((4, 4, 2, 2), r"input is int8\[4, 4, 2, 2\]; net takes int8\[1 to 3, 4, 2, 2\]"),
    ((4, 2, 2), r"input is int8\[4, 2, 2\]; net takes int8\[1 to 3, 4, 2, 2\]"),
    ((0, 4, 2, 2), r"input is int8\[0, 4, 2, 2\]"),
])
def test_images_that_a_batch_cannot_take_are_refused(shape, message):
    program = compile_graph(linear((4, 2, 2)), SMALL, batch=3)
    with pytest.raises(ValueError, match=message):
        program.pack_input(np.zeros(shape, np.int8))


@pytest.mark.parametrize(("change", "message"), [
    ({"stride": 16}, "stride is 16; it must be at most 15"),
    ({"kernel": (1, 300)}, "kernel is 300; it must be at most 255"),
])
def test_shapes_without_an_encoding_are_refused(change, message):
    rng = np.random.default_rng(0)
    layer = make_layer(rng, "odd", (4, 20, 400), 4, **{"kernel": (3, 3), "padding": (0, 0),
                                                       **change})
    with switched(tap_packing=False), pytest.raises(Unsupported,
                                                    match=f"^layer odd: {message}"):
        compile_graph(chain(layer), Config(instances=1))


@pytest.mark.parametrize(("change", "message"), [
    ({"dilation": (1, 128)}, "dilation is 128; it must be at most 127"),
    ({"dilation": (1, 127), "weight": np.ones((4, 4, 3, 18), np.int8), "padding": (0, 127),
      "in_shape": (4, 20, 2200), "conv_shape": (4, 18, 200), "out_shape": (4, 18, 200)},
     "kernel with its dilation is 2160; it must be at most 2048"),
])
def test_steps_beyond_what_the_hardware_counts_are_refused(change, message):
    layer = make_layer(np.random.default_rng(0), "odd", (4, 20, 400), 4, padding=(0, 0))
    with switched(tap_packing=False), pytest.raises(Unsupported,
                                                    match=f"^layer odd: {message}"):
        compile_graph(chain(dataclasses.replace(layer, **change)), Config(instances=1))


def test_a_program_of_another_instruction_format_is_refused_with_both_numbers(tmp_path):
    program = compile_graph(chain(make_layer(np.random.default_rng(0), "conv", (3, 9, 9), 8)),
                            Config(instances=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sw.compiler.programfile.ISA_VERSION", ISA_VERSION - 1)
        program.save(tmp_path / "net.npz")
    with pytest.raises(ProgramError, match=f"isa_version is {ISA_VERSION - 1}; this program reads "
                                           f"{ISA_VERSION}"):
        Program.load(tmp_path / "net.npz")


def test_a_program_survives_its_file(tmp_path):
    rng = np.random.default_rng(0)
    graph = chain(make_layer(rng, "conv", (3, 9, 9), 8))
    program = compile_graph(graph, Config(instances=1), batch=2)
    program.save(tmp_path / "net.npz")
    again = Program.load(tmp_path / "net.npz")
    assert (again.config, again.input, again.outputs, again.layers, again.taps, again.batch) == (
        program.config, program.input, program.outputs, program.layers, program.taps, 2)
    check(graph, again)


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(ProgramError, match="not a compiled network"):
        Program.load(path)
