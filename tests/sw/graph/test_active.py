"""Networks whose partitions can be dropped: what is refused, what stays, and what they cost."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hw.config import PRESETS
from sw import scale
from sw.compiler import CompileError, Program, compile_graph
from sw.energy.coefficients import EnergyError
from sw.energy.levels import Level
from sw.energy.model import CATEGORIES, OUTSIDE
from sw.experiment.dropping import OperatingPoint, spread, unbeaten_points
from sw.frontend.torch import capture
from sw.graph.active import ScalingError, with_active
from sw.graph.integer import IntegerGraph
from sw.iss.system import run_program
from sw.networks.architectures import DIGITS_SHAPE, digits_partition
from sw.reference.golden import run_golden
from sw.training.incremental import grow_digits, join
from tests.sim.test_scaling import partitioned_graph
from tests.support.floating import run_float
from tests.support.present import same
from tests.support.programs import random_layer

TINY = PRESETS["tiny"]


@pytest.mark.parametrize("memory", ["shared", "private"])
def test_programs_are_synchronised_with_any_number_active(memory):
    config = TINY.replace(instances=4, port__memory=memory)
    graph = partitioned_graph(4, 4)
    program = compile_graph(graph, config, scalable=True)
    image = np.random.default_rng(3).integers(-128, 128, graph.in_shape, dtype=np.int8)
    for active in (1, 3, 4):
        outputs, _ = run_program(program, image, seed=active, active=active)
        for ours, theirs in zip(outputs, run_golden(with_active(graph, 4, active), image),
                                strict=True):
            assert same(ours, theirs)


def test_a_program_in_a_file_can_still_be_scaled(tmp_path):
    program = compile_graph(partitioned_graph(2, 4), TINY, scalable=True)
    program.save(tmp_path / "program.npz")
    loaded = Program.load(tmp_path / "program.npz")
    assert loaded.partitioned == program.partitioned == (0, 1, 2, 3)
    assert loaded.dropped_regions(1) == program.dropped_regions(1) != []
    assert program.dropped_regions(2) == []


def chain(*groups: int, low: int = 0) -> IntegerGraph:
    """1x1 layers of 8 channels with so many groups."""
    rng = np.random.default_rng(1)
    return IntegerGraph("chain", tuple(
        random_layer(rng, f"layer{k}", (8, 2, 2), 8, 1, groups=g, low=low)
        for k, g in enumerate(groups)), 1.0, 1.0)


def tabled(zero: int) -> IntegerGraph:
    """Such a chain, whose second layer has a table that gives a number for a sum of 0."""
    graph = chain(1, 2, 1)
    table = np.roll(np.arange(-128, 128), 1)[None].astype(np.int8)
    table[0, 128 + 5] = zero
    layers = list(graph.layers)
    layers[1] = replace(layers[1], offset=5, table=table)
    return replace(graph, layers=tuple(layers))


def test_a_channel_is_dropped_where_its_table_gives_nothing():
    graph = tabled(0)
    program = compile_graph(graph, TINY.replace(array__tables=True), scalable=True)
    image = np.random.default_rng(3).integers(-128, 128, graph.in_shape, dtype=np.int8)
    for active in (1, 2):
        outputs, _ = run_program(program, image, seed=active, active=active)
        assert same(outputs[-1], run_golden(with_active(graph, 2, active), image)[-1])


@pytest.mark.parametrize("graph,message", [
    (chain(1, 1), "no layer has groups, so there are no 2 partitions to drop"),
    (chain(1, 4, 1), "layer layer1: has 4 groups; each layer from layer1 to layer1 must have 2"),
    (chain(1, 2, 1, 2, 1), "layer layer2: has 1 groups; each layer from layer1 to layer3"),
    (chain(1, 2), "layer layer1: is the last and has groups; a dense layer must follow"),
    (tabled(64), "layer layer1: its table gives 64 for a sum of 0, so a dropped channel is not"),
    (chain(1, 2, 1, low=1), "layer layer0: clamps to 1 to 127, so a dropped channel cannot be"),
])
def test_networks_without_partitions_to_drop_are_refused(graph, message):
    with pytest.raises(ScalingError, match=message):
        compile_graph(graph, TINY, scalable=True)


def test_channels_that_share_a_word_are_refused():
    with pytest.raises(CompileError, match="layer layer0: has 4 channels in each of 2 partitions; "
                                           "they must be a multiple of 8"):
        compile_graph(chain(1, 2, 1), TINY.replace(array__cols=8), scalable=True)


def test_a_joined_network_is_the_sum_of_its_partitions():
    parts = []
    for seed in range(3):
        torch.manual_seed(seed)
        parts.append(capture(digits_partition(2).eval(), DIGITS_SHAPE, "digits"))
    images = np.random.default_rng(1).random((5, *DIGITS_SHAPE), np.float32)
    expected = torch.stack([run_float(p, images)[-1] for p in parts]).sum(0)
    assert torch.allclose(run_float(join(parts), images)[-1], expected, atol=1e-5)


def test_a_partition_stays_as_it_is_when_others_are_added(tmp_path):
    two, three = (grow_digits(n, 2, seed=1, cache=tmp_path, epochs=1).graph for n in (2, 3))
    for before, after in zip(two.layers[:-1], three.layers[:-1], strict=True):
        count = len(before.weight)
        assert np.array_equal(before.weight, after.weight[:count])
        assert not np.array_equal(before.weight[:count // 2], before.weight[count // 2:])
    assert not with_active(three, 3, 1).layers[1].weight[2:].any()
    assert len(list(tmp_path.glob("*/partition-*/dense.safetensors"))) == 3


def test_levels_scale_what_switches_what_leaks_and_leave_the_memory_alone():
    level = Level.parse("0.5V@0.1")
    assert str(level) == "0.5V@0.1"
    scaled = level.scale(dict.fromkeys(CATEGORIES, 8.0))
    assert scaled == {"clock": 2, "logic": 2, "memories": 2, "fabric": 2, "external": 8,
                      "standby": 80, "static": 40}
    for text, message in (("0.5", "'0.5' is not a level like"), ("xV@1", "'xV@1' is not a level"),
                          ("0V@1", "voltage is 0.0; it must be above 0"),
                          ("1V@3", "clock is 3.0; it must be above 0 and at most 2")):
        with pytest.raises(EnergyError, match=message):
            Level.parse(text)


def test_the_front_and_the_spread():
    level = Level(1, 1)
    best, cheap, worse, equal = (OperatingPoint(active, level, *rest) for active, *rest in (
        (2, 0.9, 4.0, 4.0, 3.0), (1, 0.8, 1.0, 2.0, 1.0), (3, 0.9, 4.0, 5.0, 1.0),
        (4, 0.9, 4.0, 4.0, 3.0)))
    assert unbeaten_points([best, cheap, worse, equal]) == [best, cheap, equal]
    assert spread([best, cheap, worse]) == (2.5, 4.0)
    assert spread([best, cheap, worse], "chip_nj") == (3.0, 4.0)


@pytest.mark.builds
def test_the_command_measures_every_number_of_partitions(capsys, tmp_path):
    plot = tmp_path / "scaling.svg"
    assert scale.main(["--preset", "tiny", "--epochs", "1", "--images", "1", "--levels",
                       "1V@1,0.8V@0.5", "--json", "--plot", str(plot), "--quiet"]) == 0
    said = capsys.readouterr()
    assert not said.err
    data = json.loads(said.out)
    assert data["schema"] == "partita.scale" and data["accuracy_source"] == "360 held-out scans"
    one, two = data["measured"]
    assert one["bit_exact"] and two["bit_exact"] and one["cycles"] < two["cycles"]
    assert set(one["energy_pj"]) == set(CATEGORIES)
    assert all(one["energy_pj"][c] < two["energy_pj"][c] for c in CATEGORIES)
    assert len(data["points"]) == 4 and any(p["front"] for p in data["points"])
    fast, slow = (p for p in data["points"] if p["active"] == 1)
    assert slow["time_us"] == pytest.approx(2 * fast["time_us"])
    assert fast["time_us"] == pytest.approx(one["cycles"] / 100)
    assert fast["energy_nj"] == pytest.approx(sum(one["energy_pj"].values()) / 1e3)
    outside = sum(one["energy_pj"][c] for c in OUTSIDE) / 1e3
    assert fast["chip_nj"] == pytest.approx(fast["energy_nj"] - outside)
    assert slow["chip_nj"] < fast["chip_nj"]  # no level scales external memory
    assert slow["energy_nj"] - slow["chip_nj"] == pytest.approx(
        outside + one["energy_pj"]["standby"] / 1e3)  # half the clock takes twice as long
    assert data["ranges"]["all"]["time"] == pytest.approx(2 * two["cycles"] / one["cycles"])
    assert "2 active at 0.8V@0.5" in plot.read_text()


@pytest.mark.parametrize("arguments,message", [
    (["--images", "0"], "--images is 0; it must be a whole number from 1 to 10,000"),
    (["--images", "361"], "--images is 361: digits has 360 scans that it was not trained on"),
    (["--epochs", "0"], "--epochs is 0"),
    (["--instances", "1"], "--instances is 1; there must be 2 or more"),
    (["--clock-mhz", "0"], "--clock-mhz is 0; it must be a number from 0.001"),
])
def test_what_cannot_work_is_refused_before_anything_is_trained(arguments, message, capsys):
    assert scale.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_plot_without_a_folder_is_refused(capsys):
    assert scale.main(["--plot", "/nowhere/x.svg"]) == 5
    assert "--plot /nowhere/x.svg: /nowhere: No such file" in capsys.readouterr().err


def test_bad_levels_are_a_usage_error(capsys):
    for text in ("1V@1,1V@1", "1.0"):
        assert scale.main(["--levels", text]) == 2
    assert "names a level twice" in capsys.readouterr().err
