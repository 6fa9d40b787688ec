"""A value that is a layer's requantisation parameters: where it is stored, and who waits for it."""

from dataclasses import replace

import pytest

from hw.isa import Opcode
from sw.compiler import compile_graph
from sw.compiler.compile import lower
from sw.compiler.program import Program
from sw.lowering.errors import Unsupported
from sw.lowering.nodes import nodes_of
from sw.lowering.streams import parameter_places, weight_stream
from sw.lowering.transfers import record_regions
from tests.support.accelerators import CONFIGS
from tests.support.factored import factored
from tests.support.present import present
from tests.support.programs import MICROCODED

CONFIG = CONFIGS["8x1x1"]


def test_parameters_lie_in_the_stream_where_they_are_stored_to():
    graph = factored()
    named = replace(graph.layers[0], bias=graph.layers[0].bias * 0 + 0x01020304)
    node = nodes_of(replace(graph, layers=(named, *graph.layers[1:])))[0]
    for name in ("2x4x4", "2x1x32", "2x16x16-zeros"):
        config = CONFIGS[name]
        lowered = lower(graph, config)
        steps = lowered.stages[0].steps(0)
        stream = weight_stream(node, steps, config)
        places = parameter_places(node, steps, config)
        assert set(places) == set(range(*present(lowered.stages[0].split.items[0]).blocks))
        assert all(bytes(stream[at:at + 4]) == b"\4\3\2\1" for at in places.values())


@pytest.mark.parametrize("name", ["2x4x4", "8x1x1", "2x16x16-zeros"])
def test_each_word_of_records_is_stored_once_to_each_stream(name):
    lowered = lower(factored(), CONFIGS[name])
    pitch, found = CONFIGS[name].word_pitch_bytes, []
    (layer, place), = lowered.layout.records.items()
    for ops in lowered.ops:
        for op in ops or ():
            if op.opcode is Opcode.STORE and op.run[0] == layer:
                target, = op.writes
                found += [base + k for base in range(
                    target.base, target.base + target.planes * (target.stride or 1),
                    target.stride or 1)[:target.planes] for k in range(target.length)]
    # the last words of the last block are nobody's
    wanted = {(at + k) // pitch for blocks in place.blocks for at in blocks.values()
              for k in range(0, 8 * CONFIGS[name].array.cols, pitch)}
    assert len(found) == len(set(found)) and set(found) <= wanted
    assert len(found) == -(-80 // pitch) * len(place.blocks)
    assert place.first <= min(found) * pitch and max(found) * pitch < place.past


def test_words_at_equal_distances_go_at_once():
    config = CONFIGS["2x4x4"]
    place = lower(factored(), config).layout.records[2]
    moves = list(record_regions(place, (0, 20), 100, config))
    assert [(x.planes, x.length, y.base) for x, y in moves[:2]] == [(2, 8, 100), (1, 4, 116)]


def test_weights_that_are_stored_are_asked_for_behind_a_fence():
    found = [ops for ops in lower(factored(), CONFIG).ops if ops]
    assert len(found) > 1
    for ops in found:
        kinds = [(op.opcode, op.run[0]) for op in ops]
        if (Opcode.WEIGHTS, 3) in kinds:
            fence = kinds.index((Opcode.FENCE, 3))
            assert fence < kinds.index((Opcode.WEIGHTS, 3))
            assert (Opcode.BARRIER, 3) in kinds[:fence]
            assert all(layer < 3 for opcode, layer in kinds[:fence] if opcode != Opcode.BARRIER)


def test_a_program_says_where_it_writes_records(tmp_path):
    program = compile_graph(factored(), CONFIG)
    records, = program.records
    assert records.channels == 10 and program.outputs[records.layer] is None
    assert program.places(64)[records.layer] == (64 + records.first, 64 + records.past)
    program.save(tmp_path / "program")
    assert Program.load(tmp_path / "program").records == program.records


@pytest.mark.parametrize(("config", "batch", "said"), [
    (MICROCODED, 1, "the microcoded core cannot"),
    (CONFIGS["2x5x7"], 1, "an array of 5x7 cannot: array.rows must be a power of two, at most 8"),
    (CONFIGS["1x32x1"], 1, "an array of 32x1 cannot"),
    (CONFIG, 2, "run the images one by one"),
])
def test_what_cannot_multiply_is_named(config, batch, said):
    with pytest.raises(Unsupported, match=f"layer excite1: multiplies each channel .*{said}"):
        compile_graph(factored(), config, batch=batch)
