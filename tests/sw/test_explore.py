"""Predicted cycles against RTL, and the search that they drive."""

import itertools
import json
import os
import signal

import numpy as np
import pytest
import torch

from hw.config import PRESETS, Config
from hw.fpga.devices import Usage
from hw.options import config_from_arguments
from hw.support.marks import is_marked
from sw import compare, explore
from sw.api import capture, quantise, run
from sw.compiler import compile_graph
from sw.compiler.predict import predict
from sw.compiler.search import search_splits
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.experiment.bigarray import big_array
from sw.experiment.exploration import Candidate, Result, evaluate, unbeaten_results
from sw.experiment.pool import PoolError, each
from sw.networks.shapes import shape_graph
from sw.reference.golden import run_golden
from tests.support.accelerators import PREDICTED
from tests.support.networks import NETWORKS, settled
from tests.support.present import same
from tests.support.programs import random_network
from tests.support.recipes import Recipe
from tests.support.residual import residual_network


@pytest.mark.builds
@pytest.mark.parametrize("seeds", [
    pytest.param((3000, 3001, 3002, 3004, 3006, 3009), id="short"),
    pytest.param((3003, 3005, 3007, 3008), id="long", marks=pytest.mark.slow)])
def test_predictions_of_random_networks_are_those_of_the_rtl(seeds):
    """They run for 4,000 to 1,400,000 cycles, on four configurations."""
    errors = {}
    for (name, config), seed in itertools.product(PREDICTED.items(), seeds):
        graph = random_network(seed)
        program = compile_graph(graph, config)
        with open_backend("verilator", config, memory_bytes=program.window_bytes) as backend:
            driver = Driver(backend)
            driver.load(program)
            measured = driver.run(np.zeros(graph.in_shape, np.int8),
                                  timeout_cycles=10_000_000).cycles
        errors[name, seed] = abs(predict(graph, config).cycles / measured - 1)
    assert np.mean(list(errors.values())) < 0.005
    assert max(errors.values()) <= 0.02, errors


@pytest.mark.builds
def test_what_is_stored_out_of_the_bank_that_is_read_is_waited_for():
    """The array of a layer that finds its input there reads beside the STOREs of its output."""
    torch.manual_seed(1)
    make, shape = NETWORKS["mobilenet_v2"]
    images = np.random.default_rng(1).standard_normal((2, *shape)).astype(np.float32)
    graph, config = quantise(capture(settled(make()), shape), images), PREDICTED["2x4x4"]
    measured = run(compile_graph(graph, config), graph.quantise_input(images[0])).cycles
    assert predict(graph, config).cycles == pytest.approx(measured, rel=0.015)


@pytest.mark.builds
@pytest.mark.parametrize("name", PREDICTED)
@pytest.mark.parametrize("graph", [residual_network(5, side=8, width=12), Recipe.parse(
    "2x4x4 channels=8 rows=12 columns=150 conv kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 out=8 "
    "groups=8 conv kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 stride=2 out=16").graph],
    ids=["residual", "wide"])
def test_predictions_of_a_graph_are_those_of_the_rtl(graph, name):
    """Whole networks within 2%, and layers of more than 5,000 cycles within 5%."""
    config = PREDICTED[name]
    program = compile_graph(graph, config)
    with open_backend("verilator", config, memory_bytes=program.window_bytes) as backend:
        driver = Driver(backend)
        driver.load(program)
        measured = driver.run(np.zeros(graph.in_shape, np.int8))
    found = predict(graph, config)
    assert found.cycles == pytest.approx(measured.cycles, rel=0.02)
    assert measured.layer_cycles is not None
    for info, mine, theirs in zip(program.layers, found.layer_cycles, measured.layer_cycles,
                                  strict=True):
        assert theirs < 5000 or mine == pytest.approx(theirs, rel=0.05), info.name


def test_predictions_of_tinyvgg16_are_those_of_the_measurement(measured_tinyvgg16):
    """Every layer of the arms that were measured in RTL."""
    for arm in measured_tinyvgg16["arms"]:
        partitions = 8 if arm["name"].startswith("pruned") else 1
        big = arm["name"].endswith("-big")
        config = big_array(Config()) if big else Config(instances=arm["instances"])
        found = predict(shape_graph("tinyvgg16", "fc", partitions), config)
        assert found.cycles == pytest.approx(arm["cycles"], rel=0.004 if big else 0.002)
        for layer, cycles in zip(arm["layers"], found.layer_cycles, strict=True):
            near = pytest.approx(layer["cycles"], rel=0.03 if big else 0.02)
            assert cycles == near, (arm["name"], layer["name"])


def test_the_front_holds_what_nothing_else_beats():
    config = PRESETS["tiny"]

    def result(cycles, dsps, rams, partitions=1, **more):
        return Result(Candidate("digits", "fc", partitions, config), cycles, 1,
                      Usage(0, 0, dsps, rams), **more)

    fast, small = result(10, 8, 8), result(20, 4, 8)
    worse, none, large = result(20, 8, 8), result(None, 1, 1), result(1, 99, 9, fits=False)
    pruned = result(30, 8, 8, partitions=8)
    assert unbeaten_results([worse, small, none, pruned, large, fast]) == [fast, small, pruned]


@pytest.mark.parametrize(("more", "count", "following"), [
    (["--preset", "tiny", "--instances", "1,2,2", "--arrays", "4x4,4x4"], 4,
     "--partitions 8 --preset tiny"),
    (["--instances", "1,2", "--arrays", "2x2,4x4", "--buffers", "2048", "--memory", "private",
      "--partitions", "1"], 4,
     "--arms dense-N --instances 2 --rows 4 --cols 4 --post-lanes 4 --act-words 2048 "
     "--memory private"),
])
def test_what_is_fastest_is_what_to_run_next(more, count, following, capsys):
    assert explore.main(["--network", "digits", *more]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert f" of {count} configurations" in first  # each once
    assert last == f"next: python -m sw.compare --network digits {following}"
    args = compare.parser().parse_args(last.split()[4:])
    assert config_from_arguments(args).shape == "2 x 4x4"


@pytest.mark.builds
def test_explores_and_measures_the_front_in_rtl(capsys, tmp_path):
    plot = tmp_path / "plan.svg"
    assert explore.main(["--network", "digits", "--preset", "tiny", "--instances", "2", "--arrays",
                         "4x4", "--buffers", "1024,4096", "--partitions", "1,4", "--rtl", "--json",
                         "--jobs", "1", "--plot", str(plot), "--quiet"]) == 0
    said = capsys.readouterr()
    assert not said.err
    points = json.loads(said.out)["points"]
    assert len(points) == 4
    ran = [p for p in points if p["rtl_cycles"]]
    assert ran and all(p["front"] for p in ran)
    for p in ran:
        assert p["limit"] < p["cycles"] == pytest.approx(p["rtl_cycles"], rel=0.02)
    assert is_marked(plot, "partita.plot")
    assert plot.read_text().startswith("<svg") and plot.read_text().count("<title>") == 4


def test_a_dask_cluster_gives_the_same(capsys):
    distributed = pytest.importorskip("distributed", reason="needs pip install distributed")
    arguments = ["--network", "digits", "--preset", "tiny", "--instances", "1,2", "--arrays",
                 "4x4", "--buffers", "4096", "--json"]
    assert explore.main(arguments) == 0
    local = capsys.readouterr().out
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False,
                                  dashboard_address=None) as cluster:
        assert explore.main([*arguments, "--scheduler", cluster.scheduler_address]) == 0
    assert capsys.readouterr().out == local


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["--instances", "1,x"], 2, "has an item that is 'x'"),
    (["--arrays", "4"], 2, "has an item that is 4; it must be ROWSxCOLS"),
    (["--network", "digits", "--partitions", "3"], 2, "not divisible by 3 partitions"),
    (["--network", "digits", "--arrays", "32x32", "--device", "ecp5-25k"], 4, "none of"),
    (["--plot", "/nowhere/x.svg"], 5, "--plot /nowhere/x.svg: /nowhere: No such file"),
    (["--network", "digits", "--scheduler", "nonsense"], 2, "--scheduler nonsense"),
    (["--network", "digits", "--jobs", "0"], 2, "--jobs is 0"),
])
def test_bad_usage_is_refused(capsys, arguments, code, message):
    try:
        assert explore.main(arguments) == code
    except SystemExit as stop:
        assert stop.code == code
    assert message in capsys.readouterr().err


def test_a_process_that_is_killed_is_told_of():
    points = [Candidate("digits", "fc", 1, Config())] * 2
    with pytest.raises(PoolError, match="try fewer --jobs"):
        list(each(_killed, points, jobs=2, scheduler=None, few=1))


def _killed(candidate: Candidate) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_weights_are_not_needed():
    graph = shape_graph("tinyvgg16", "all", 8)
    assert sum(x.groups == 8 for x in graph.layers) == 11
    assert evaluate(Candidate("tinyvgg16", "all", 8, Config()), graph).cycles


@pytest.mark.builds
def test_a_search_finds_faster_splits_that_run_exactly():
    config, graph = PREDICTED["2x4x4"], random_network(3009)
    found = search_splits(graph, config)
    assert found.after.cycles < found.before.cycles
    program = compile_graph(graph, config, splits=found.splits)
    image = np.random.default_rng(1).integers(-128, 128, graph.in_shape, dtype=np.int8)
    with open_backend("verilator", config, memory_bytes=program.window_bytes) as backend:
        driver = Driver(backend)
        driver.load(program)
        result = driver.run(image, timeout_cycles=10_000_000)
    assert result.cycles == pytest.approx(found.after.cycles, rel=0.02)
    for ours, theirs in zip(result.outputs, run_golden(graph, image), strict=True):
        assert same(ours, theirs)
