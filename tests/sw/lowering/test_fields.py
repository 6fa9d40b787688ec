"""What cannot be compiled cannot be predicted either, and the error is the same."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.config import PRESETS, Config
from hw.isa import field_error
from sw.compiler import CompileError, DoesNotFit, Program, Unsupported, compile_graph
from sw.compiler.predict import predict
from sw.graph.active import ActiveError
from sw.graph.integer import GraphError, IntegerGraph
from sw.lowering.switches import switched
from tests.support.compiler_cases import configs, graphs, make_layer
from tests.support.programs import instructions
from tests.support.space import draw_config
from tests.sw.compiler.test_choose import dense


def outcome(function, *arguments, **options):
    """The error's type and message, or None."""
    try:
        function(*arguments, **options)
    except (CompileError, GraphError, ValueError) as error:
        return type(error), str(error)
    return None


@settings(max_examples=60, deadline=None)
@given(graph=graphs(), config=configs(), batch=st.sampled_from([1, 1, 2, 40]),
       words=st.sampled_from([16, 32, 64, 256]), depth=st.sampled_from([4, 8, 16]),
       address=st.sampled_from([12, 13, 14, 16]), entries=st.sampled_from([2, 4, 64]))
def test_prediction_refuses_what_the_compiler_refuses(graph, config, batch, words, depth, address,
                                                      entries):
    """Activation memory, accumulators, log and external memory are all near what is needed."""
    try:
        config = config.replace(buffers__act_words=words, buffers__acc_depth=depth,
                                buffers__log_entries=entries, port__address_bits=address)
    except ValueError:
        return
    found = outcome(compile_graph, graph, config, batch=batch)
    assert outcome(predict, graph, config, batch=batch) == found
    if found is None:
        check_encoded(compile_graph(graph, config, batch=batch))


def check_encoded(program: Program) -> None:
    """No field would stop the hardware."""
    for instance, start in enumerate(program.programs):
        if start is not None:
            for opcode, values in instructions(program, instance):
                assert field_error(program.config, opcode, values) is None


WIDE = Config().replace(instances=1, array__rows=1, array__cols=1, array__post_lanes=1,
                        array__zero_skip=True, port__bytes=64)


@pytest.mark.parametrize("configs", [[WIDE], *(
    [draw_config(10 * k + n) for n in range(10)] for k in range(3))], ids=range(4))
def test_a_small_network_compiles_for_any_configuration(configs):
    """Or it does not fit; but what is compiled runs."""
    rng = np.random.default_rng(0)
    small = IntegerGraph("small", (
        make_layer(rng, "conv", (3, 6, 5), 8, pool=(2, 2, 0)),
        make_layer(rng, "fc", (8, 3, 2), 10, kernel=(3, 2), padding=(0, 0))), 1.0, 1.0)
    for config in configs:
        for graph in (small, dense(40, 600)):
            try:
                check_encoded(compile_graph(graph, config))
            except DoesNotFit:
                assert config is not WIDE
            except Exception as error:
                error.add_note(str(config))
                raise


def test_external_memory_beyond_the_port_is_refused_by_both():
    graph = dense(256, 256)
    config = Config(instances=1).replace(port__address_bits=16)
    for function in (compile_graph, predict):
        with pytest.raises(DoesNotFit, match=r"^network .* of external memory; there are 2\^16"):
            function(graph, config)
        function(graph, config.replace(port__address_bits=20))


def test_what_no_instruction_can_hold_is_refused_by_both():
    """A depthwise layer of so many channels would be loaded in more runs than there are."""
    rng = np.random.default_rng(0)
    layer = make_layer(rng, "wide", (4 * 16500, 2, 1), 4, kernel=(1, 1), padding=(0, 0))
    graph = IntegerGraph("net", (layer,), 1.0, 1.0)
    config = PRESETS["tiny"].replace(buffers__act_words=1 << 16)
    for function in (compile_graph, predict):
        with switched(early_start=False, tap_packing=False), pytest.raises(
                Unsupported, match=r"^layer wide: COMPUTE.in_blocks would be 16500; an "
                "instruction holds 1 to 16383 of it"):
            function(graph, config)


def test_layers_that_do_not_fit_together_are_refused_by_both():
    graph = dense(16, 32, 10)
    broken = replace(graph, layers=graph.layers[::-1])
    assert outcome(predict, broken, Config()) == outcome(compile_graph, broken, Config())
    assert outcome(predict, broken, Config())[0] is GraphError


@pytest.mark.parametrize("active", [0, -1, 3])
def test_partitions_that_are_not_there_are_not_predicted(active):
    rng = np.random.default_rng(0)
    graph = IntegerGraph("pruned", (
        make_layer(rng, "conv", (4, 4, 4), 16),
        make_layer(rng, "fc1", (16, 4, 4), 16, kernel=(4, 4), padding=(0, 0), groups=2),
        make_layer(rng, "fc2", (16, 1, 1), 10, kernel=(1, 1), padding=(0, 0))), 1.0, 1.0)
    config = PRESETS["tiny"]
    assert predict(graph, config, active=1).cycles < predict(graph, config, active=2).cycles
    with pytest.raises(ActiveError, match=f"{active} active partitions; there must be 1 to 2"):
        predict(graph, config, active=active)
