"""An integer network's file."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from sw.frontend.torch import capture
from sw.graph.artefact import load_integer, save_integer
from sw.graph.integer import GraphError, Output
from sw.prune.apply import apply_plan
from sw.quantise.post_training import quantise
from sw.reference.batched import run_layers
from sw.reference.golden import run_golden
from tests.support.factored import factored
from tests.support.modules import Does
from tests.support.programs import random_graph
from tests.support.recipes import Recipe


def test_an_integer_network_survives_its_file(dense, task, tmp_path):
    trainer, net = dense
    graph = quantise(apply_plan(trainer.graph(net), trainer.plan(net, 4, "fc", "random", 1)),
                     trainer.calibration())
    save_integer(graph, tmp_path / "net.safetensors")
    loaded = load_integer(tmp_path / "net.safetensors")
    image = graph.quantise_input(trainer.calibration()[0])
    for a, b in zip(run_golden(graph, image), run_golden(loaded, image), strict=True):
        assert np.array_equal(a, b)
    assert [x.name for x in loaded.layers if x.pruned] == ["fc1", "fc2"]


@pytest.mark.parametrize("kind", ["weave", "tiles"])
def test_a_join_of_pixels_survives_its_file(tmp_path, kind):
    graph = Recipe.parse("2x4x4 channels=3 rows=3 columns=4 conv out=2 conv out=2 "
                         f"{kind} rows=2 columns=3 span=2 conv kernel_h=2 pad_left=-1 out=3").graph
    save_integer(graph, tmp_path / "net.safetensors")
    loaded = load_integer(tmp_path / "net.safetensors")
    assert loaded.joins == graph.joins and loaded.layers[-1].in_shape == (2, 6, 12)
    image = np.random.default_rng(1).integers(-128, 128, graph.in_shape, np.int8)
    for found in run_golden(loaded, image), run_layers(graph, torch.from_numpy(image)[None]):
        for a, b in zip(run_golden(graph, image), found, strict=True):
            assert np.array_equal(a, np.asarray(b).reshape(a.shape))


def test_factors_survive_their_file(tmp_path):
    graph = factored()
    graph.validate()
    save_integer(graph, tmp_path / "net.safetensors")
    loaded = load_integer(tmp_path / "net.safetensors")
    assert [x.factors for x in loaded.layers] == [None, None, None, "excite1f", None]
    image = np.random.default_rng(1).integers(-128, 128, graph.in_shape, np.int8)
    for found in run_golden(loaded, image), run_layers(graph, torch.from_numpy(image)[None]):
        for a, b in zip(run_golden(graph, image), found, strict=True):
            assert np.array_equal(a, np.asarray(b).reshape(a.shape))


def test_all_that_a_network_gives_survives_its_file(tmp_path):
    graph = quantise(capture(nn.Sequential(nn.Conv2d(2, 3, 3), Does(lambda x: (x.relu(), x))),
                             (2, 5, 5)), np.random.default_rng(1).normal(size=(4, 2, 5, 5)))
    save_integer(graph, tmp_path / "net.safetensors")
    loaded = load_integer(tmp_path / "net.safetensors")
    assert loaded.outputs == graph.outputs and len(graph.outputs) == 2
    image = np.random.default_rng(2).normal(size=(2, 5, 5))
    outputs = run_golden(loaded, graph.quantise_input(image))
    named, real = loaded.named(outputs), loaded.real_outputs(outputs)
    assert list(named) == list(real) == ["output0", "output1"]
    assert named["output0"] is outputs[-1] and np.array_equal(
        real["output0"], loaded.real_output(outputs[-1]))
    assert real["output1"].min() < 0 == real["output0"].min()
    with pytest.raises(GraphError, match=r"output a of .*: is the first, and must be that"):
        replace(graph, outputs=(Output("a", graph.layers[0].name),)).validate()
    with pytest.raises(GraphError, match=r"output a of .*: there is no layer 'b'"):
        replace(graph, outputs=(Output("a", "b"),)).validate()
    with pytest.raises(GraphError, match="has two outputs of the same name: output0, output0"):
        replace(graph, outputs=graph.outputs[:1] * 2).validate()


#: What a file of version 1 says of a layer.
_FIRST = {"name": "conv", "low": 0, "high": 127, "stride": 2, "padding": [1, 1], "groups": 1,
          "in_shape": [1, 4, 4], "conv_shape": [2, 2, 2], "out_shape": [2, 1, 1], "pruned": False,
          "dense_macs": 0, "pool": [[2, 2], [2, 2], [0, 0], [1, 1]]}
_SECOND = {"name": "fc", "low": -128, "high": 127, "stride": 1, "padding": [0, 0], "groups": 1,
           "in_shape": [2, 1, 1], "conv_shape": [1, 1, 1], "out_shape": [1, 1, 1],
           "pruned": False, "dense_macs": 0, "pool": None}


def test_a_file_of_the_version_before_edges_is_a_chain(tmp_path):
    tensors: dict[str, np.ndarray] = {}
    for layer, shape in ((_FIRST, (2, 1, 3, 3)), (_SECOND, (1, 2, 1, 1))):
        tensors |= {f"{layer['name']}.{name}": array for name, array in (
            ("weight", np.arange(np.prod(shape), dtype=np.int8).reshape(shape) - 5),
            ("bias", np.full(shape[0], 3, np.int32)), ("mult", np.full(shape[0], 16384, np.uint16)),
            ("shift", np.full(shape[0], 16, np.uint8)))}
    description = {"version": 1, "name": "old", "input_scale": 0.5, "output_scale": 0.25,
                   "layers": [_FIRST, _SECOND]}
    save_file(tensors, tmp_path / "old.safetensors",
              {"partita.integer-network": json.dumps(description)})
    graph = load_integer(tmp_path / "old.safetensors")
    assert graph.is_chain and not graph.outputs and (graph.input_zero, graph.output_zero) == (0, 0)
    assert graph.named(graph.layers) == {"fc": graph.layers[-1]}
    assert [(x.stride, x.dilation, x.pad_value, x.offset, x.epsilon) for x in graph.layers] == [
        ((2, 2), (1, 1), 0, 0, 0), ((1, 1), (1, 1), 0, 0, 0)]
    image = np.full((1, 4, 4), 2, np.int8)
    # Largest are, of four taps at the top left, 2 * (-1 + 0 + 2 + 3), and of all at the bottom
    # right 2 * sum(4..12): (8 + 3) / 4 rounds to 3, (144 + 3) / 4 to 37, and then there are
    # (-5 * 3 - 4 * 37 + 3) / 4.
    assert [x.reshape(-1).tolist() for x in run_golden(graph, image)] == [[3, 37], [-40]]


def test_a_file_of_an_unknown_version_is_refused_with_both_numbers(tmp_path):
    graph = random_graph(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sw.graph.artefact.ARTEFACT_VERSION", 9)
        save_integer(graph, tmp_path / "net.safetensors")
    with pytest.raises(GraphError, match="is of version 9; this program reads versions 1 to 5"):
        load_integer(tmp_path / "net.safetensors")


def test_a_file_that_is_no_integer_network_is_refused(dense, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(GraphError, match=r"a\.safetensors: not an integer network"):
        load_integer(tmp_path / "a.safetensors")
    with pytest.raises(GraphError, match="not an integer network of this project"):
        load_integer(dense[0].folder / "dense.safetensors")
