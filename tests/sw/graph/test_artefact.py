"""An integer network's file."""

import json

import numpy as np
import pytest
from safetensors import safe_open

from sw.data import DATA
from sw.graph.artefact import load_integer, save_integer
from sw.graph.integer import GraphError
from sw.prune.apply import apply_plan
from sw.quantise.post_training import quantise
from sw.reference.golden import run_golden
from tests.support.programs import random_graph


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


def test_a_file_of_the_version_before_edges_is_a_chain():
    graph = load_integer(DATA / "tinyvgg16-slim-dense.safetensors")
    with safe_open(DATA / "tinyvgg16-slim-dense.safetensors", "np") as file:
        assert json.loads(file.metadata()["partita.integer-network"])["version"] == 1
    assert graph.is_chain and len(graph.layers) == 13
    assert {(x.stride, x.dilation, x.pad_value, x.offset) for x in graph.layers} == {
        ((1, 1), (1, 1), 0, 0)}


def test_a_file_of_an_unknown_version_is_refused_with_both_numbers(tmp_path):
    graph = random_graph(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sw.graph.artefact.ARTEFACT_VERSION", 9)
        save_integer(graph, tmp_path / "net.safetensors")
    with pytest.raises(GraphError, match="is of version 9; this program reads versions 1 to 3"):
        load_integer(tmp_path / "net.safetensors")


def test_a_file_that_is_no_integer_network_is_refused(dense, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(GraphError, match=r"a\.safetensors: not an integer network"):
        load_integer(tmp_path / "a.safetensors")
    with pytest.raises(GraphError, match="not an integer network of this project"):
        load_integer(dense[0].folder / "dense.safetensors")
