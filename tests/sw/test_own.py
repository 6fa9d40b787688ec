"""A user's own network through the commands: compared, explored, traced, taken apart."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw.config import PRESETS
from hw.support.marks import is_marked
from sw import ablation, compare, explore, scale, trace
from sw.api import FlowError, accuracy, capture, compile_graph, quantise
from sw.api import compare as compare_in_rtl
from sw.experiment import comparison
from sw.experiment.own import Own, Pixels, workload_of
from sw.experiment.work import Workload
from sw.images.dataset import SEEDED, ImageSet
from sw.images.errors import ImageError
from sw.ir.errors import UnsupportedLayer
from sw.networks.naming import origin_of
from sw.networks.opening import opened
from sw.prune.apply import apply_plan
from sw.prune.partition import partition
from tests.support.own import SHAPE, chain, write_own
from tests.support.present import present

#: As `tests/sw/test_compare.py` runs on.
TINY = ["--preset", "tiny", "--quiet"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return write_own(tmp_path_factory.mktemp("own"))


@pytest.mark.builds
def test_an_onnx_file_is_compared_in_all_arms_with_energy_and_accuracy(own, tmp_path):
    result, page = tmp_path / "result.json", tmp_path / "page.html"
    assert compare.main(["--network", str(own.onnx), "--data", str(own.images), "--images", "2",
                         "--save", str(result), "--report", str(page), *TINY]) == 0
    data = json.loads(result.read_text())
    assert [a["name"] for a in data["arms"]] == ["dense-1", "dense-2", "pruned-1", "pruned-2"]
    assert data["bit_exact"] and data["network"] == "own" and data["partitions"] == 8
    assert data["speedup"]["network"] > 1 and data["energy_ratio"]["network"]["total"]["value"] > 0
    accuracy = data["accuracy"]
    assert accuracy["RTL dense-1"] == accuracy["int8 on the 2 images in RTL"]
    assert {"float on 15 images", "int8 on 15 images", "int8 guesses as float"} <= set(accuracy)
    assert any("images prepared: shorter side" in note for note in data["notes"])
    named = dict(note.removeprefix("named in RTL by ").split(": ") for note in data["notes"]
                 if note.startswith("named in RTL by "))
    arms, names = next(iter(named.items()))
    assert arms.startswith("dense-1, dense-2") and "pruned-2" in " ".join(named)
    assert all(name[0] in "abcde" for name in names.split(", "))
    right = [name for name in names.split(", ") if "(is " not in name]
    assert len(right) / 2 == data["accuracy"]["RTL dense-1"]
    assert "images prepared: shorter side" in page.read_text()
    assert is_marked(result, "partita.compare") and is_marked(page, "partita.page")


@pytest.mark.builds
def test_where_nothing_can_be_pruned_one_instance_is_compared_with_n(own, capsys):
    net = f"{own.source}:Branches"
    assert compare.main(["--network", net, "--input-shape", "3x16x16", "--json", *TINY]) == 0
    said = capsys.readouterr()
    data = json.loads(said.out)
    assert [a["name"] for a in data["arms"]] == ["dense-1", "dense-2"] and data["bit_exact"]
    assert data["partitions"] == 1 and data["weights"].endswith(
        "Branches makes them; seeded images")
    notes = " ".join(data["notes"])
    assert "nothing is pruned: it has no linear layer but the classifier" in notes
    assert "--prune all would prune its convolutions" in notes
    assert "calibrated on 8 seeded random images" in notes
    assert f"running {own.source}" in said.err


def test_arms_that_there_are_not_are_refused(own, capsys):
    assert compare.main(["--network", f"{own.source}:Branches", "--input-shape", "3x16x16",
                         "--arms", "dense-1,pruned-N", *TINY]) == 2
    assert "--arms names 'pruned-N'; nothing is pruned: it has no" in capsys.readouterr().err


def test_a_network_is_explored_and_none_of_its_points_is_built(own, capsys):
    assert explore.main(["--network", str(own.onnx), "--instances", "1,2", "--arrays", "4x4",
                         "--jobs", "1", "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert {(p["partitions"], p["config"]["instances"]) for p in points} == {
        (p, n) for p in (1, 8) for n in (1, 2)}
    assert all(p["cycles"] for p in points) and points[0]["network"] == str(own.onnx)


@pytest.mark.builds
def test_what_an_optimisation_brings_a_network(own, capsys):
    assert ablation.main(["--network", str(own.pt2), "--only", "prefetch", "--json", "--preset",
                          "tiny", "--quiet"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["bit_exact"] and set(data["cycles"]) == {"", "prefetch"}
    assert set(data["cycles"][""]) == {
        "fully connected layers pruned, one port", "all layers pruned, a port each",
        "convolutions, dense, one port"}


@pytest.mark.builds
def test_partitions_of_a_network_are_dropped_while_it_runs(own, capsys):
    arguments = ["--network", str(own.onnx), "--data", str(own.images), "--preset", "tiny",
                 "--images", "2", "--levels", "1V@1", "--json"]
    assert scale.main(arguments) == 0
    said = capsys.readouterr()
    data = json.loads(said.out)
    assert data["accuracy_images"] == 15 and data["right"] == "labels"
    assert data["accuracy_source"] == f"15 of 15 images of {own.images}"
    assert any("n7 pruned in 2 parts, without training" in note for note in data["notes"])
    one, two = data["measured"]
    assert one["bit_exact"] and two["bit_exact"] and (one["active"], two["active"]) == (1, 2)
    assert sum(one["energy_pj"].values()) < sum(two["energy_pj"].values())
    assert "n7 pruned in 2 parts, without training" in said.err


@pytest.mark.parametrize(("arguments", "message"), [
    (["--network", "OWN:Branches", "--input-shape", "3x16x16"],
     "dropping a network's partitions takes chains only"),
    (["--network", "OWN:make", "--input-shape", "3x16x16", "--epochs", "1"],
     "--epochs goes with --network digits"),
    (["--network", "OWN:make", "--input-shape", "3x16x16", "--instances", "3"],
     "--instances is 3: layer 5: 8 input channels are not divisible by 3 partitions"),
    (["--network", "tinyvgg16"], "--network is tinyvgg16; partitions of digits are trained to be"),
    (["--prune", "fc"], "--prune goes with a network of your own")])
def test_what_cannot_be_dropped_is_refused(own, arguments, message, capsys):
    assert scale.main([x.replace("OWN", str(own.source)) for x in arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.builds
def test_a_run_of_a_network_is_looked_into(own, tmp_path, capsys):
    there = tmp_path / "run.json"
    assert trace.main(["--network", str(own.onnx), "--timeline", str(there), "--preset",
                       "tiny"]) == 0
    assert is_marked(there, "partita.timeline")
    names = {e["name"] for e in json.loads(there.read_text())["traceEvents"] if e["ph"] == "X"}
    assert names == {"n1", "n7", "n9"}
    assert trace.main(["--network", str(own.onnx), "--out", f"{there}.vcd", "--layer", "n8"]) == 2
    assert "--layer 'n8' is not in" in capsys.readouterr().err


def test_a_data_set_has_as_many_images_as_are_asked_for(own, capsys):
    arguments = ["--network", str(own.onnx), "--data", str(own.images), "--images", "99", *TINY]
    assert compare.main(arguments) == 2
    assert f"--images is 99; {own.images} has 15" in capsys.readouterr().err


@pytest.mark.builds
def test_a_module_is_compared_from_python_as_by_its_file(own, capsys):
    with np.load(own.npz) as stored:
        images, labels = stored["images"], stored["labels"]
    config = PRESETS["tiny"]
    plan = partition(capture(chain(), SHAPE), ["5"], 4)
    report = compare_in_rtl(chain(), SHAPE, images=images, labels=labels, count=2, config=config,
                            plan=plan)
    assert [a.name for a in report.arms] == ["dense-1", "dense-2", "pruned-1", "pruned-2"]
    assert report.bit_exact and report.energy_ratios() and report.partitions == 4
    assert present(report.accuracy)["float on 12 images"] <= 1
    assert sum(x["cycles"] for x in report.table() if x["arm"] == "dense-1") == \
        report.arms[0].cycles
    assert [x["arm"] for x in report.summary()] == [a.name for a in report.arms]
    assert "<th>dense-1 over it</th>" in report._repr_html_()
    of_file = compare_in_rtl(str(own.onnx), images=images, count=2, config=config,
                             arms=["dense-1"], energy=False)
    assert of_file.arms[0].cycles == report.arms[0].cycles
    assert not capsys.readouterr().out


@pytest.mark.builds
def test_an_accuracy_is_the_same_in_the_golden_model_and_in_rtl(own):
    with np.load(own.npz) as stored:
        images, labels = stored["images"][:3], stored["labels"][:3]
    graph = quantise(capture(chain(), SHAPE), images)
    config = PRESETS["tiny"].replace(instances=1)
    golden = accuracy(graph, images, labels)
    model, rtl = (accuracy(graph, images, labels, on=on, config=config) for on in ("model", "rtl"))
    assert golden.accuracy == model.accuracy == rtl.accuracy and rtl.bit_exact
    assert golden.bit_exact is model.bit_exact is None
    assert rtl.table()[0]["top1"] == rtl.accuracy.top1 and "<td>rtl</td>" in rtl._repr_html_()
    assert golden.cycles is None and present(model.cycles) == pytest.approx(rtl.cycles, rel=0.05)


def test_a_plan_says_what_is_pruned(own, tmp_path, capsys, monkeypatch):
    """And weights that it has been tuned by already are said to be."""
    graph = opened(origin_of(str(own.onnx))).graph
    plan = partition(graph, ["n7"], 4, "random", seed=5)
    plan.save(tmp_path / "mine.plan.json")
    seen: list[Workload] = []

    def see(work: Workload, *args: Any, **options: Any) -> None:
        seen.append(work)
        raise ZeroDivisionError

    monkeypatch.setattr(comparison, "compare", see)
    command = ["--network", str(own.onnx), "--plan", str(tmp_path / "mine.plan.json"), *TINY]
    with pytest.raises(ZeroDivisionError):
        compare.main(command)
    work, = seen
    assert work.partitions == 4 and present(work.pruned).layers[1].groups == 4
    blocks = apply_plan(graph, plan).layers[1].weight
    found = present(work.pruned).layers[1].weight
    assert np.corrcoef(blocks.ravel(), found.ravel())[0, 1] > 0.99
    assert any(note.startswith("pruned without fine-tuning, n7 in 4 parts") for note in work.notes)
    first, cut, last = graph.layers
    kept = cut.weight * plan.mask(0)[:, :, None, None]
    tuned = graph.with_layers([first, replace(cut, weight=kept), last])
    images = ImageSet(np.ones((1, *SHAPE), np.float32), None, (), 1, SEEDED)
    work = workload_of(
        Own(name="own", weights="", graph=tuned, pixels=Pixels(images.images, images, ()), count=1,
            measured=False), partitions=None, seed=1, partitioner=None, prune="fc", plan=plan,
        say=print)
    assert "pruned, n7 in 4 parts: all other weights are zero already" in work.notes[0]
    for more, what in ((["--partitions", "2"], "--partitions goes without --plan"),
                       (["--prune", "fc"], "--prune goes without --plan")):
        assert compare.main([*command, *more]) == 2
        assert what in capsys.readouterr().err
    replace(plan, boundaries=(np.arange(4), plan.boundaries[1])).save(
        tmp_path / "mine.plan.json")
    assert compare.main(command) == 2
    assert "layer n7: has 8 input channels; the plan has 4: it is of another" in \
        capsys.readouterr().err
    assert compare.main(["--network", "digits", *command[2:]]) == 2
    assert "--plan goes with a network of your own" in capsys.readouterr().err


def test_mistakes_from_python_are_named(own):
    graph: Any = quantise(capture(chain(), SHAPE), np.ones((1, *SHAPE), np.float32))
    wrong: Any
    for wrong, what in (("fpga", "'fpga'"), (None, "of type NoneType")):
        with pytest.raises(ValueError, match=f"on is {what}; it must be one of golden, model, rtl, "
                           "or a board"):
            accuracy(graph, np.ones((1, *SHAPE)), np.zeros(1, int), on=wrong)
    options: Any
    for options, what in (({"config": PRESETS["tiny"]}, "config goes with .* leave it out"),
                          ({"on": "model", "latency_cycles": 9}, "latency_cycles goes with")):
        with pytest.raises(ValueError, match=what):
            accuracy(graph, np.ones((1, *SHAPE)), np.zeros(1, int), **options)
    for arms, what in ((["nope"], "arms names 'nope'; there are dense-1, dense-N, pruned-1"),
                       (["dense-3"], "arms names 'dense-3'"), ([], "arms is empty"),
                       (["dense-1", "pruned-N"], "arms names 'pruned-N'; nothing is pruned: 1 ")):
        with pytest.raises(ValueError, match=what):
            compare_in_rtl(chain(), SHAPE, arms=arms, partitions=1)
    with pytest.raises(ImageError, match="the network takes"):
        accuracy(graph, np.ones((1, 3, 8, 8)), np.zeros(1, int))
    with pytest.raises(ValueError, match="in_shape is missing"):
        compare_in_rtl(chain())
    with pytest.raises(ValueError, match=r"^net is 'net\.tflite'"):
        compare_in_rtl("net.tflite", SHAPE)
    for shape in ((3, 16), (3, 16, 16, 7)):
        with pytest.raises(UnsupportedLayer, match="network Sequential: in_shape is"):
            compare_in_rtl(chain(), shape)
    with pytest.raises(ImageError, match="count is 5; there are 2 images"):
        compare_in_rtl(chain(), (1, *SHAPE), images=np.ones((2, *SHAPE)), count=5)
    with pytest.raises(ValueError, match="arms is 'dense-1'; give a list of names"):
        compare_in_rtl(chain(), SHAPE, arms="dense-1")
    with pytest.raises(FlowError, match="compare takes a Module, not an IntegerGraph"):
        compare_in_rtl(graph)


def test_networks_and_programs_are_printed_by_their_layers():
    graph = capture(chain(), SHAPE)
    assert repr(graph).splitlines()[:3] == [
        "FloatGraph",
        "layer  reads    in       kernel  out     groups  weights  macs",
        "0      <input>  3x16x16  3x3     8x4x4   1       216      13,824"]
    integer = quantise(graph, np.random.default_rng(1).standard_normal((2, *SHAPE)))
    assert repr(integer).splitlines()[1:] == repr(graph).splitlines()[1:]
    program = repr(compile_graph(integer, PRESETS["tiny"])).splitlines()
    assert program[0] == "Program" and [x.split()[0] for x in program[1:]] == [
        "layer", "0", "5", "7"]
