"""The comparison runs in RTL, checks itself, and says what it measured."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from hw.config import PRESETS
from hw.support.errors import exit_code
from sw import compare
from sw.compiler import DoesNotFit
from sw.energy.model import OUTSIDE, EnergyModel, Features
from sw.experiment import arms, comparison
from sw.experiment.arms import Arm, golden_outputs, run_arm, segments
from sw.experiment.bigarray import big_array
from sw.experiment.workload import load_workload
from sw.graph.integer import IntegerGraph
from sw.report.published import PUBLISHED_SPEEDUP
from tests.support.present import present
from tests.support.programs import random_layer

pytestmark = pytest.mark.builds

SCHEMA = json.loads((Path(compare.__file__).parent / "report" / "schema.json").read_text())
MEMORY = {"latency_cycles": 40}
#: Two instances, of which all runs below are, and one of them alone.
SMALL = PRESETS["tiny"]
ALONE = SMALL.replace(instances=1)
DIGITS = ["--network", "digits", "--preset", "tiny", "--quiet"]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> dict:
    """`sw.compare` on two digits with its own RTL, as JSON."""
    path = tmp_path_factory.mktemp("compare") / "result.json"
    assert compare.main([*DIGITS, "--images", "2", "--save", str(path)]) == 0
    return json.loads(path.read_text())


def test_the_report_follows_its_schema(report):
    jsonschema.validate(report, SCHEMA)
    assert [a["name"] for a in report["arms"]] == ["dense-1", "dense-2", "pruned-1", "pruned-2"]


def test_every_layer_of_every_arm_is_bit_exact(report):
    assert report["bit_exact"]
    for arm in report["arms"]:
        assert [x["name"] for x in arm["layers"]] == [
            "conv1_1", "conv1_2", "conv2_1", "conv2_2", "fc1", "fc2", "fc3"]
        assert all(x["bit_exact"] for x in arm["layers"])


def test_layers_and_causes_sum_to_the_cycles(report):
    for arm in report["arms"]:
        assert sum(x["cycles"] for x in arm["layers"]) == arm["cycles"]
        for counters in arm["counters"]:
            causes = sum(v for k, v in counters.items() if k != "TOTAL")
            assert causes == counters["TOTAL"] == arm["cycles"]


def test_the_speedup_is_the_ratio_of_measured_cycles(report):
    by_name = {a["name"]: a for a in report["arms"]}
    assert report["speedup"]["network"] == pytest.approx(
        by_name["dense-1"]["cycles"] / by_name["pruned-2"]["cycles"], abs=1e-4)
    pruned = [k for k, x in enumerate(by_name["pruned-2"]["layers"]) if x["pruned"]]
    assert [by_name["dense-1"]["layers"][k]["name"] for k in pruned] == ["fc1", "fc2"]
    assert report["published"]["pruned_layers"] == PUBLISHED_SPEEDUP


def test_no_layer_and_no_point_of_the_roofline_passes_its_roof(report):
    for arm in report["arms"]:
        cycles = moved = macs = 0
        for x in arm["layers"]:
            cycles += x["cycles"]
            moved += x["port_bytes"] - x["program_port_bytes"]
            macs += x["needed_macs"]
            assert x["so_far"]["cycles"] == cycles
            assert 0 < x["so_far"]["efficiency"] <= 1
            assert moved <= arm["bytes_per_cycle"] * cycles
            assert macs <= arm["macs_per_cycle"] * cycles


def test_weights_cross_the_port_once(report):
    for arm in report["arms"]:
        for layer in arm["layers"]:
            assert layer["port_bytes"] >= 2 * layer["weight_bytes"] * (layer["kind"] == "fc")


def test_accuracy_in_rtl_is_that_of_the_golden_model(report):
    assert report["accuracy"]["int8"] > 0.95
    assert report["accuracy"]["pruned int8"] > 0.95
    for arm in report["arms"]:
        form = "int8" if arm["name"].startswith("dense") else "pruned int8"
        assert report["accuracy"][f"RTL {arm['name']}"] == report["accuracy"][
            f"{form} on the 2 images in RTL"]


def test_a_wrong_output_is_found_and_fails():
    work = load_workload("digits", partitions=8, seed=1, images=1)
    golden = [[x.copy() for x in image] for image in golden_outputs(work.dense, work.images)]
    golden[0][4][7] ^= 1
    arm = Arm("dense-1", work.dense, ALONE, work.images, tuple(map(tuple, golden)))
    result, _ = run_arm(arm, None, count_toggles=True, memory=MEMORY)
    assert [x.name for x in result.layers if not x.bit_exact] == ["fc1"]
    assert not result.bit_exact


def test_a_batch_that_does_not_divide_is_exact_and_reads_linear_weights_once_a_run():
    work = load_workload("digits", partitions=8, seed=1, images=3)
    arm = Arm("pruned-1", present(work.pruned), ALONE, work.images,
              golden_outputs(present(work.pruned), work.images), batch=2)
    result, finals = run_arm(arm, ["conv2_2", "fc1", "fc2", "fc3"], count_toggles=True,
                             memory=MEMORY)
    assert result.bit_exact
    assert [np.array_equal(a, b[-1]) for a, b in zip(finals, arm.golden, strict=True)] == 3 * [True]
    for layer, graph in zip(result.layers, present(work.pruned).layers[3:], strict=True):
        whole = -(-len(graph.bias) // ALONE.array.cols) * ALONE.array.cols
        parameters = 8 * whole
        padded = len(graph.bias) / whole
        runs = 2 if layer.kind == "fc" else 4  # the missing fourth image runs, as zeros
        assert layer.weight_port_bytes == runs * (graph.weight.size / padded + parameters)
        assert layer.macs == 3 * graph.macs


def test_what_a_convolution_skips_is_what_its_arrays_left_out():
    """Of a kernel of one tap and whole blocks, each vector is rows * cols of the layer's MACs."""
    config = PRESETS["tiny"].replace(array__zero_skip=True)
    rng = np.random.default_rng(5)
    graph = IntegerGraph("conv", (random_layer(rng, "conv", (16, 6, 6), 64, 1),), 1.0, 1.0)
    image = rng.integers(1, 128, graph.in_shape, dtype=np.int8)
    image[4:12] = 0
    images = (image, image * 0, image | 1)
    arm = Arm("dense-2", graph, config, images, golden_outputs(graph, images))
    layer = run_arm(arm, None, count_toggles=False, memory=MEMORY)[0].layers[0]
    multiplied = sum(causes["COMPUTE"] for causes in layer.ledger) * config.array.macs
    assert layer.bit_exact and layer.skipped_bytes == 0
    assert layer.macs - present(layer.skipped_macs) == multiplied < layer.macs == 3 * 16 * 64 * 36
    assert layer.needed_macs == multiplied


def test_selected_layers_start_from_the_golden_output_before_them():
    work = load_workload("digits", partitions=8, seed=1, images=1)
    arm = Arm("dense-1", work.dense, ALONE, work.images,
              golden_outputs(work.dense, work.images))
    told: list[tuple[int, str]] = []
    result, _ = run_arm(arm, ["conv2_1", "fc2", "fc3"], count_toggles=True, memory=MEMORY,
                        on_progress=lambda cycles, layer: told.append((cycles, layer)))
    assert told[0] == (0, "conv2_1")  # as it is built, and begins to run
    assert [x.name for x in result.layers] == ["conv2_1", "fc2", "fc3"]
    assert result.bit_exact


def test_segments_are_runs_of_neighbours():
    graph = load_workload("digits", partitions=8, seed=1, images=1).dense
    runs = segments(graph, ["fc2", "conv1_2", "conv2_1"])
    assert [(first, [x.name for x in g.layers]) for first, g in runs] == [
        (1, ["conv1_2", "conv2_1"]), (5, ["fc2"])]


def test_kinds_tell_convolutions_from_linear_layers():
    graph = load_workload("digits", partitions=8, seed=1, images=1).dense
    assert [arms.layer_kind(x) for x in graph.layers] == ["conv"] * 4 + ["fc"] * 3
    layer = graph.layers[0]
    assert arms.layer_kind(replace(layer, conv_shape=(32, 1, 1))) == "fc"


@pytest.mark.parametrize("arguments,code,message", [
    (["--network", "digits", "--layers", "fc9"], 2, "layer 'fc9' is not in digits; its layers"),
    (["--network", "digits", "--partitions", "3"], 2, "are not divisible by 3 partitions"),
    (["--arms", "sparse-8"], 2, "--arms names 'sparse-8'; there are dense-1, dense-N"),
    (["--stall", "2"], 2, "--stall is 2; it must be a number from 0 to 0.9"),
    (["--weights", "missing.safetensors"], 2, "--weights missing.safetensors is not a file"),
    (["--save", "/no/such/folder/x.json"], 5, "/no/such/folder: No such file"),
    (["--threads", "0"], 2, "--threads is 0; it must be a whole number from 1 to 256"),
    (["--no-toggles", "--external", "ddr3"], 2, "--external says how energy is counted, and "),
    (["--no-toggles", "--no-background"], 2, "--no-background says how energy is counted, and "),
    (["--rows", "99"], 2, "--rows is 99; it must be an integer from 1 to 32"),
])
def test_mistakes_are_named_with_their_exit_code(arguments, code, message, capsys):
    assert compare.main(arguments) == code
    assert message in capsys.readouterr().err


def test_a_network_that_does_not_fit_exits_4(capsys):
    def run(argv):
        raise DoesNotFit("conv", "20 accumulators for a row", "16", "raise buffers.acc_depth")

    assert exit_code(run, [], "program") == 4
    assert capsys.readouterr().err == (
        "program: error: layer conv: needs 20 accumulators for a row; there are 16: "
        "raise buffers.acc_depth\n")


def test_json_is_alone_on_stdout(capsys):
    assert compare.main([*DIGITS, "--images", "1", "--layers", "fc3", "--json", "--arms",
                         "dense-2", "--no-toggles"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["arms"][0]["layers"][0]["toggles"] is None
    assert data["speedup"] == {"pruned_layers": None, "fc": None, "network": None}


def test_golden_outputs_are_what_layers_give():
    work = load_workload("digits", partitions=8, seed=1, images=1)
    outputs = golden_outputs(work.dense, work.images)[0]
    assert all(np.array_equal(o.shape, x.out_shape)
               for o, x in zip(outputs, work.dense.layers, strict=True))


def test_the_ledger_sums_to_the_counters(report):
    for arm in report["arms"]:
        for i, counters in enumerate(arm["counters"]):
            for cause, total in counters.items():
                if cause != "TOTAL":
                    assert sum(x["ledger"][i].get(cause, 0) for x in arm["layers"]) == total


def test_energy_is_activity_times_coefficients(report):
    model = EnergyModel(**report["energy_model"])
    values = model.values()
    for arm in report["arms"]:
        whole = 0.0
        for x in arm["layers"]:
            assert x["energy_pj"] == pytest.approx(Features(x["activity"]).energy(values))
            assert len(x["instance_pj"]) == arm["instances"]
            own = sum(pj for category, pj in x["energy_pj"].items()
                      if category not in (*OUTSIDE, "fabric"))
            assert 0.9 * own < sum(x["instance_pj"]) <= own * (1 + 1e-9)
            whole += sum(x["energy_pj"].values())
            assert 0 < x["toggles"] <= x["clocked_ff_cycles"]
        assert arm["energy"]["joules_per_image"] == pytest.approx(whole * 1e-12 / 2)
        # pages are counted by layer
        misses = sum(x["activity"]["external/activate"] for x in arm["layers"])
        assert misses == arm["page_misses"] > 0
    for group in report["energy_ratio"].values():
        for interval in group.values():
            assert interval["low"] < interval["value"] < interval["high"]


def test_one_array_may_have_the_macs_of_all(report):
    work = load_workload("digits", partitions=8, seed=1, images=1)
    found = comparison._arms(["dense-N", "pruned-big"], PRESETS["default"], work, 1)
    assert [a.name for a in found] == ["dense-8", "pruned-big"]
    assert found[1].graph is work.pruned and found[1].config == big_array(PRESETS["default"])
    big = found[1].config
    assert (big.instances, big.array.rows, big.array.cols) == (1, 16, 32)
    assert big.array.macs == PRESETS["default"].array.macs * 8
    for instances in (3, 32):
        with pytest.raises(ValueError, match="do not make one of at most 32x32"):
            big_array(PRESETS["default"].replace(instances=instances))


def test_a_page_is_written_and_bad_energy_options_are_named(tmp_path, capsys):
    page = tmp_path / "page.html"
    assert compare.main([*DIGITS, "--images", "1", "--layers", "fc2", "--arms",
                         "dense-1,dense-2,pruned-2", "--report", str(page)]) == 0
    said = capsys.readouterr().out
    assert "against dense on the same" in said
    assert said.endswith("next: python -m sw.explore --network digits --preset tiny\n")
    assert "<h2>Roofline</h2>" in page.read_text()
    for arguments, message in (
            (["--energy-column", "7nm"], "--energy-column: invalid choice: '7nm'"),
            (["--external", "hbm"], "--external is 'hbm': external memory 'hbm' is unknown"),
            (["--clock-mhz", "-1"], "--clock-mhz is -1; it must be a number from 0.001")):
        assert compare.main(["--network", "digits", *arguments]) == 2
        assert message in capsys.readouterr().err
