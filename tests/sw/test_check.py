"""A check tells in seconds whether a network runs, and all that is in the way if it does not."""

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from hw.config import PRESETS
from sw import check, compare
from sw.compiler.predict import predict
from sw.experiment.checking.targets import find_target, targets
from sw.ir.errors import UnsupportedLayer
from sw.networks.naming import origin_of
from sw.networks.opening import opened
from sw.networks.shapes import shape_graph
from sw.onnx.capture import capture_onnx
from sw.quantise.post_training import quantise
from sw.reference.batched import run_integer
from tests.support.checks import checked
from tests.support.onnx_files import model_of
from tests.support.own import write_own
from tests.support.quantised_files import quantised_file

SHAPE = ["--input-shape", "3x16x16"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return write_own(tmp_path_factory.mktemp("check"))


def test_a_users_network_is_predicted_and_compared_with_float(own, capsys):
    data = checked(capsys, own.onnx, "--data", own.images, "--preset", "tiny")
    assert data["verdict"].startswith("own runs on the preset tiny, 2 x 4x4: ")
    assert "of 15 images" in data["verdict"] and data["runs"]
    assert [x["name"] for x in data["nodes"]] == ["n1", "n7", "n9"]
    assert sum(x["cycles"] for x in data["nodes"]) == data["cycles"] >= data["limit"]
    assert data["ms"] == pytest.approx(data["cycles"] / 1e5)
    values = data["values"]
    assert values["agreement"] > 0.8 and values["snr_db"] > 20
    assert set(values["layers"]) == {"n1", "n7", "n9"}
    assert data["memory"]["window"] > data["memory"]["weights"] + data["memory"]["tensors"]
    cut, = data["cuts"]
    assert (cut["layers"], cut["possible"], cut["parts"]) == (["n7"], [2, 4, 8], 8)
    assert cut["speedup"] == pytest.approx(data["cycles"] / cut["cycles"], abs=0.01)
    assert cut["speedup"] > 1
    assert len(data["advice"]) <= 3


def test_calibration_alone_is_what_a_network_is_looked_at_on(own, capsys):
    data = checked(capsys, own.onnx, "--calibration", own.images)
    assert data["values"]["images"] == 15 and not data["values"]["seeded"]
    assert data["values"]["source"] == f"15 of 15 images of {own.images}"
    assert "looked at on images of --calibration, as no --data is given" in data["notes"]
    data = checked(capsys, own.onnx)
    assert data["values"]["seeded"] and "of 4 seeded random images, " in data["verdict"]


def test_a_network_that_is_quantised_already_keeps_its_integers(tmp_path, capsys):
    path, images = quantised_file("mobilenet_v2", "QDQ with zero points", tmp_path)
    data = checked(capsys, path, "--instances", "2")
    assert data["cycles"] and data["cuts"] == [] and data["values"] is None
    assert any("quantised already, and keeps its scales" in note for note in data["notes"])
    assert any(f"python -m sw.agree {path} compares" in note for note in data["notes"])
    found = run_integer(quantise(capture_onnx(path)), torch.from_numpy(images)).flatten(1).argmax(1)
    np.savez(tmp_path / "photos.npz", images=images,
             labels=np.append(found[:-1], (found[-1] + 1) % 2))
    data = checked(capsys, path, "--instances", "2", "--data", tmp_path / "photos.npz")
    assert data["values"]["accuracy"] == [None, 7 / 8] and data["values"]["snr_db"] is None
    assert data["verdict"].endswith("; int8 87.5% right, of 8 images")


def test_cycles_are_those_of_the_model(own, capsys):
    data = checked(capsys, own.onnx, "--instances", "2")
    graph = shape_graph(origin_of(str(own.onnx)), "fc", 1)
    found = predict(graph, PRESETS["default"].replace(instances=2)).cycles
    assert data["cycles"] == found


def test_a_board_has_its_own_clock_and_memory(own, capsys):
    data = checked(capsys, f"{own.source}:Branches", *SHAPE, "--board", "ulx3s-12f")
    assert data["target"]["clock_mhz"] == 50 and data["memory"]["there"] == 32 << 20
    assert data["target"]["config"] == find_target("ulx3s-12f").config.to_dict()
    assert {x["name"] for x in data["fits"]} == set(targets()) - {"ulx3s-12f"}
    assert "seeded random images" in " ".join(data["notes"])
    micro = checked(capsys, own.pt2, "--board", "icebreaker")
    assert micro["cycles"] is None and "no model of its cycles" in micro["verdict"]


def test_a_person_reads_the_answer_first_and_the_next_command_last(own, capsys):
    assert check.main([f"{own.source}:make", *SHAPE, "--weights", str(own.weights)]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].startswith("make runs on the preset default") and "frames/s" in lines[0]
    assert lines[-1] == (f"next: python -m sw.compare --network {own.source}:make --weights "
                         f"{own.weights} --input-shape 3x16x16")
    assert said.err.splitlines()[0].startswith(f"running {own.source}, as --network asks for")
    assert "--prune fc: 1 layer (5) in 2, 4, 8 parts" in said.out


def test_long_names_leave_room_for_numbers(tmp_path, capsys):
    """As those of ONNX files of nested modules."""
    name = "/blocks/blocks.0/body/body.2/pool/GlobalAveragePool"
    make = helper.make_node
    onnx.save(model_of([make("Conv", ["x", "w"], ["a"], name=name, pads=[1, 1, 1, 1]),
                        make("Relu", ["a"], ["y"], name="relu")], [1, 3, 40, 40], "y",
                       {"w": np.ones((64, 3, 3, 3), np.float32)}), tmp_path / "net.onnx")
    assert check.main([str(tmp_path / "net.onnx")]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if "conv 3x3, 3 to 64" in x)
    assert line.split()[0] == f"{name[:17]}…{name[-18:]}" and line.count("…") == 1


def test_more_layers_than_the_log_has_entries_are_told_before_anything_runs(own, capsys):
    asked = [str(own.onnx), "--preset", "tiny", "--log-entries"]
    assert check.main([*asked, "4"]) == 0 and "--log-entries" not in \
        capsys.readouterr().out.splitlines()[-2]
    source = own.source.with_name("deep.py")
    source.write_text("from torch import nn\ndef make():\n    return nn.Sequential("
                      "nn.Conv2d(3, 8, 3), *(nn.Conv2d(8, 8, 1) for _ in range(4)))\n")
    asked = [f"{source}:make", *SHAPE, "--preset", "tiny", "--log-entries"]
    assert check.main([*asked, "4"]) == 0
    said = capsys.readouterr().out
    assert "each layer's cycles are told by runs with --log-entries 8" in said
    assert said.splitlines()[-1].endswith("--log-entries 4 --log-entries 8")
    assert compare.main(["--network", *asked, "4"]) == 4
    said = capsys.readouterr().err
    assert "needs entry 5 of the log, which tells each layer's cycles; there are 4: raise" in said
    assert "golden" not in said and "reading" not in said


def test_a_softmax_at_the_end_is_a_note_and_no_warning(tmp_path, capsys, recwarn):
    source = tmp_path / "soft.py"
    source.write_text("from torch import nn\ndef make():\n    return nn.Sequential("
                      "nn.Flatten(), nn.Linear(768, 4), nn.Softmax(1))\n")
    data = checked(capsys, f"{source}:make", *SHAPE)
    assert any("softmax at the end is left to the host" in note for note in data["notes"])
    assert not [w for w in recwarn if "softmax" in str(w.message)]


def test_all_that_is_in_the_way_is_told_at_once(own, capsys):
    data = checked(capsys, f"{own.source}:Refused", *SHAPE, code=1)
    assert data["verdict"] == ("Refused does not run on the preset default, 8 x 8x8: 3 nodes in "
                               "the way")
    assert [(x["operator"], x["nodes"]) for x in data["obstacles"]] == [
        ("instance_norm", ["one", "two"]), ("group_norm", ["norm"])]
    assert "batch norm runs" in data["obstacles"][0]["why"] and data["cycles"] is None


def test_all_that_is_in_the_way_of_an_onnx_file_is_told_at_once(tmp_path, capsys):
    make = helper.make_node
    nodes = [make("Conv", ["x", "w"], ["a"], name="conv"),
             make("LRN", ["a"], ["b"], name="first", size=3),
             make("LpNormalization", ["b"], ["c"], name="norm", axis=1),
             make("LRN", ["c"], ["d"], name="second", size=3),
             make("Conv", ["d", "v"], ["e"], name="last"),
             make("Mul", ["e", "v"], ["y"], name="mul")]
    weights = {"w": np.ones((4, 3, 3, 3), np.float32), "v": np.ones((4, 4, 3, 3), np.float32)}
    onnx.save(model_of(nodes, [1, 3, 8, 8], "y", weights), tmp_path / "net.onnx")
    data = checked(capsys, tmp_path / "net.onnx", code=1)
    assert [(x["operator"], x["nodes"]) for x in data["obstacles"]] == [
        ("LRN", ["first", "second"]), ("LpNormalization", ["norm"]), ("rule", ["mul"])]
    with pytest.raises(UnsupportedLayer, match=r"layer first: .*; 3 more cannot run: python -m"):
        opened(origin_of(str(tmp_path / "net.onnx")))


def test_what_follows_from_an_obstacle_is_none(tmp_path, capsys):
    """As of a model of quantize_dynamic."""
    make = helper.make_node
    nodes = [make("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], name="first"),
             make("Mul", ["s", "ws"], ["both"], name="scales"),
             make("ConvInteger", ["q", "w", "z"], ["i"], name="conv"),
             make("Cast", ["i"], ["f"], to=onnx.TensorProto.FLOAT, name="cast"),
             make("Mul", ["f", "both"], ["g"], name="scaled"),
             make("DynamicQuantizeLinear", ["g"], ["q2", "s2", "z2"], name="second"),
             make("ConvInteger", ["q2", "w", "z2"], ["y"], name="last")]
    weights: dict[str, np.ndarray] = {"w": np.ones((3, 3, 1, 1), np.uint8),
                                      "ws": np.ones((), np.float32)}
    onnx.save(onnx.shape_inference.infer_shapes(model_of(nodes, [1, 3, 8, 8], "y", weights)),
              tmp_path / "net.onnx")
    data = checked(capsys, tmp_path / "net.onnx", code=1)
    assert [(x["operator"], x["nodes"]) for x in data["obstacles"]] == [
        ("DynamicQuantizeLinear", ["first", "second"])]


def test_rules_that_nodes_break_are_told_at_once(own, capsys):
    data = checked(capsys, f"{own.source}:Breaks", *SHAPE, code=1)
    assert [x["nodes"] for x in data["obstacles"]] == [["div"], ["mean"]]
    assert "rounds what it divides" in data["obstacles"][0]["why"]


def test_what_needs_tables_is_told_the_line_to_type(tmp_path, capsys):
    """For a board as for a preset; boards are then looked at with tables, which take block RAMs."""
    source = tmp_path / "net.py"
    source.write_text("from torch import nn\ndef make():\n    return nn.Sequential("
                      "nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(784, 4))\n")
    network = [f"{source}:make", *SHAPE]
    for machine in (["--board", "ulx3s-12f"], ["--preset", "tiny"]):
        assert check.main([*network, *machine]) == 1
        line = capsys.readouterr().out.splitlines()[-1]
        assert line == f"next: python -m sw.check {' '.join([*network, *machine, '--tables'])}"
        data = checked(capsys, *network, *machine, "--tables")
    fits = {x["name"]: x for x in data["fits"]}
    assert fits["ulx3s-45f"]["fits"] and not fits["icebreaker"]["fits"]
    assert fits["ulx3s-85f"]["why"] == "needs 216 block RAMs of 208, before synthesis"
    assert check.main([*network, "--board", "ulx3s-85f", "--tables"]) == 4
    said = capsys.readouterr().out
    assert "the FPGA, 1: 8 x 4x4 needs 216 block RAMs of 208, before synthesis: take" in said
    assert said.splitlines()[-1].endswith("--board ulx3s-12f --tables")


def test_quiet_says_nothing_beside_the_result(capsys, tmp_path):
    assert check.main(["digits", "--preset", "tiny", "--quiet", "--save",
                       str(tmp_path / "facts.json")]) == 0
    said = capsys.readouterr()
    assert said.out and not said.err
    assert json.loads((tmp_path / "facts.json").read_text())["schema"] == "partita.check"


def test_what_does_not_fit_exits_4_and_names_what_does(own, capsys):
    wide = [f"{own.source}:Branches", "--input-shape", "3x8x200", "--preset", "tiny",
            "--act-words", "64"]
    data = checked(capsys, *wide, code=4)
    assert {x["operator"] for x in data["obstacles"]} == {"DoesNotFit"}
    assert {name for x in data["obstacles"] for name in x["nodes"]} == {"mean"}
    assert check.main([*wide, "--quiet"]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert "does not fit the preset tiny" in lines[0] and "raise buffers.act_words" in lines[1]
    assert lines[-1] == (f"next: python -m sw.check {own.source}:Branches --input-shape 3x8x200 "
                         "--board ulx3s-12f")


def test_a_board_without_the_memory_is_told_by_its_bytes(own, capsys):
    data = checked(capsys, f"{own.source}:Branches", "--input-shape", "3x48x48", "--board",
                   "tangnano20k", code=4)
    obstacle, = data["obstacles"]
    assert obstacle["operator"] == "external memory" and "there are 73,728" in obstacle["why"]
    assert data["verdict"] == "Branches does not fit Tang Nano 20K: 1 node in the way"


def test_a_wrong_shape_is_told_with_the_option_that_gives_it(own, capsys):
    """It is no obstacle of the network's, but a mistake of the command line."""
    for network, shape, why in (
            (f"{own.source}:make", "1x16x16",
             "; it was given images of [1, 16, 16] (in_shape, --input-shape)"),
            (str(own.onnx), "3x8x8", "in_shape (--input-shape) is [3, 8, 8]: leave it out")):
        assert check.main([network, "--input-shape", shape]) == 2
        said = capsys.readouterr()
        assert why in said.err and not said.out


def test_a_network_that_comes_with_it_is_checked_without_its_weights(capsys):
    data = checked(capsys, "digits", "--preset", "tiny")
    assert data["values"] is None and len(data["nodes"]) == 7
    assert {cut["prune"] for cut in data["cuts"]} == {"fc", "all"} and data["partitions"] == 1


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["none.onnx"], 5, "none.onnx: No such file"),
    (["none.py:make", *SHAPE], 5, "none.py: No such file"),
    (["none.py:make"], 5, "none.py: No such file"),
    (["json:loads"], 2, "--network json:loads needs the shape of one image: --input-shape"),
    (["digits", "--size", "8"], 2, "--size goes with a network of your own; digits has its own"),
    (["digits", "--weights", "x"], 2, "--weights goes with --network tinyvgg16, or one of your"),
    (["digits", "--board", "ulx3"], 2, "did you mean 'ulx3s"),
    (["digits", "--board", "ulx3s"], 2, "take ulx3s-12f, ulx3s-25f"),
    (["digits", "--board", "icebreaker", "--preset", "tiny"], 2, "leave one out"),
    (["digits", "--board", "icebreaker", "--preset", "default"], 2, "leave one out"),
    (["digits", "--board", "ulx3s-12f", "--clock-mhz", "25"], 2,
     "--clock-mhz goes without --board: the ULX3S-12F has its own clock, 50 MHz"),
    (["digits", "--board", "ulx3s-12f", "--port-bytes", "32"], 2,
     "--port-bytes is 32; 256 Mbit SDRAM of the ULX3S of 16 bits needs"),
    (["digits", "--board", "ulx3s-12f", "--partitions", "3"], 2, "--partitions is 3: layer fc1"),
    (["digits", "--input-shape", "3x"], 2, "--input-shape is '3x'; it must be CxHxW"),
    (["digit"], 2, "did you mean 'digits'?")])
def test_mistakes_are_named(arguments, code, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check.main(arguments) == code
    assert message in capsys.readouterr().err


def test_a_data_set_that_is_not_there_is_told_before_code_is_run(own, capsys):
    assert check.main([f"{own.source}:make", *SHAPE, "--data", "none"]) == 5
    assert "running" not in capsys.readouterr().err
