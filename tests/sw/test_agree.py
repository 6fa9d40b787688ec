"""sw.agree says whether what differs is rounding, layer by layer, worst first."""

import json
from typing import cast

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from sw import agree
from sw.experiment import agreement as module
from sw.frontend.torch import import_torch
from sw.onnx.runtime import Runtime
from tests.support.networks import NETWORKS, settled
from tests.support.onnx_files import to_onnx
from tests.support.present import present
from tests.support.quantised_files import agreement, codes_model, quantised_file


def test_rounding_alone_is_said_first_and_layers_stand_worst_first(tmp_path, capsys):
    path, images = quantised_file("resnet", "QDQ of uint8", tmp_path)
    np.save(tmp_path / "images.npy", images)
    inputs = [str(path), "--inputs", str(tmp_path / "images.npy")]
    assert agree.main([*inputs, "--images", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 3
    assert agree.main(inputs) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert "resnet.onnx: what differs from onnxruntime is rounding alone" in first
    assert last == f"next: python -m sw.check {path}"
    saved = tmp_path / "result.json"
    assert agree.main([str(path), "--json", "--save", str(saved), "--images", "2"]) == 0
    said = capsys.readouterr()
    assert said.err == f"reading the network\ncomparing it with onnxruntime\nwrote {saved}\n"
    data = json.loads(said.out)
    assert agree.main([str(path), "--save", str(saved), "--images", "2", "--quiet"]) == 0
    assert not capsys.readouterr().err
    assert data == json.loads(saved.read_text())
    assert data["quantised"] and data["rounding_alone"] and data["images"] == 2
    order = [(-x["largest"], x["equal"]) for x in data["layers"]]
    assert order == sorted(order) and len(order) == 13
    assert all(x["largest"] <= 1 and x["differing"] <= x["values"] for x in data["layers"])


def test_a_layer_that_computes_something_else_is_named(tmp_path, capsys, monkeypatch):
    """Against a file whose integers are others."""
    path, _ = quantised_file("resnet", "QDQ", tmp_path)
    model = onnx.load(path)
    bias = next(x for x in model.graph.initializer if numpy_helper.to_array(x).dtype == np.int32
                and numpy_helper.to_array(x).size > 1)
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 4000, bias.name))
    other = tmp_path / "other.onnx"
    onnx.save(model, other)
    monkeypatch.setattr(module, "Runtime", lambda _, tensors: Runtime(other, tensors))
    assert agree.main([str(path)]) == 1
    out = capsys.readouterr().out
    assert "more than rounding differs from onnxruntime, in 1 of 13 layers: " in out


def test_images_by_name_are_refused_with_what_makes_an_array_of_them(tmp_path, capsys):
    np.savez(tmp_path / "in.npz", labels=np.zeros(2), images=np.zeros((2, 3, 8, 8)))
    assert agree.main(["x.onnx", "--inputs", str(tmp_path / "in.npz")]) == 2
    assert "numpy.save('images.npy', numpy.load('in.npz')['images'])" in capsys.readouterr().err


def test_images_are_drawn_within_what_the_model_takes(tmp_path, capsys):
    """Which may be numbers from 0 to 255, of which noise of mean 0 shows next to nothing."""
    make = helper.make_node
    model = codes_model(
        [make("DequantizeLinear", ["q", "xs", "xz"], ["r"]),
         make("QuantizeLinear", ["w", "ws", "wz"], ["v"]),
         make("DequantizeLinear", ["v", "ws", "wz"], ["k"]), make("Conv", ["r", "k"], ["c"]),
         make("QuantizeLinear", ["c", "ys", "yz"], ["y"])], (1, 8, 8),
        {"w": np.ones((1, 1, 1, 1), np.float32), "ws": np.float32(1 / 127), "wz": np.int8(0),
         "xs": np.float32(1), "xz": np.int8(-128), "ys": np.float32(1), "yz": np.int8(-128)})
    onnx.save(model, tmp_path / "net.onnx")
    seen = []

    class Spied(Runtime):
        def run(self, image):
            seen.append(image)
            return super().run(image)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "Runtime", Spied)
        assert agree.main([str(tmp_path / "net.onnx")]) == 0
    assert "4 random images from 0 to 255, as the model takes" in capsys.readouterr().out
    assert 0 <= np.min(seen) < 64 < 120 < np.mean(seen) < 135 < 192 < np.max(seen) <= 255


def test_halves_that_are_rounded_the_other_way_are_rounding(tmp_path):
    """A mean over four of integers at one scale: a quarter are halves, half of those differ."""
    path, images = quantised_file("densenet", "QDQ", tmp_path)
    _, layers = agreement(path, images)
    means = [x for x in layers if x.tensor.startswith("avg_pool2d")]
    assert len(means) == 1 and 0.8 < means[0].equal < 0.95
    assert means[0].halfway == means[0].differing and means[0].is_rounding


def test_of_real_numbers_it_says_what_int8_keeps(tmp_path, capsys):
    make, shape = NETWORKS["squeezenet"]
    path = tmp_path / "net.onnx"
    onnx.save(to_onnx(import_torch(settled(make()), shape), batch="N"), path)
    assert agree.main([str(path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    signals = [x["signal_db"] for x in data["layers"]]
    assert not data["quantised"] and signals == sorted(signals) and signals[0] > 30
    assert agree.main([str(path)]) == 0
    said = capsys.readouterr().out
    assert "int8 keeps" in said.splitlines()[0]
    assert not set(said) & set("─│━┃┏┓└┘|")  # no lines where it is no terminal


def test_channels_are_brought_to_like_sizes_as_every_command_does(tmp_path, capsys):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
                        nn.Flatten(), nn.Linear(8 * 16, 4)).eval()
    spread = 2.0 ** torch.linspace(-9, 9, 8)
    first, second = cast(nn.Conv2d, net[0]), cast(nn.Conv2d, net[2])
    with torch.no_grad():
        first.weight *= spread[:, None, None, None]
        present(first.bias).mul_(spread)
        second.weight /= spread[:, None, None]
    path = tmp_path / "net.onnx"
    onnx.save(to_onnx(import_torch(net, (3, 8, 8))), path)
    assert agree.main([str(path), "--json"]) == 0
    assert min(x["signal_db"] for x in json.loads(capsys.readouterr().out)["layers"]) > 35


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["none.onnx"], 5, "none.onnx: No such file"),
    (["net.onnx", "--inputs", "none.npy"], 5, "none.npy: No such file"),
    (["net.onnx", "--inputs", "text.npy"], 2,
     "--inputs is 'text.npy': no array that numpy can read"),
    (["net.onnx", "--inputs", "small.npy"], 2, "--inputs is 'small.npy': images are [2, 3, 1, 1]"),
    (["net.onnx", "--inputs", "two.npy", "--images", "3"], 2, "--images is 3; two.npy has 2"),
    (["net.onnx", "--input-shape", "3,5"], 2, "(--input-shape) is [3, 1, 5]: leave it out"),
    (["net.onnx", "--input-shape", "3;5"], 2, "it must be CxHxW, such as 3x224x224 or 3,224,224"),
    (["text.npy"], 2, "text.npy is no ONNX model that can be read"),
])
def test_what_cannot_be_compared_is_named(tmp_path, monkeypatch, capsys, arguments, code, message):
    make, shape = NETWORKS["squeezenet"]
    onnx.save(to_onnx(import_torch(settled(make()), shape)), tmp_path / "net.onnx")
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "small.npy", np.ones((2, 3, 1, 1)))
    np.save(tmp_path / "two.npy", np.ones((2, *shape)))
    monkeypatch.chdir(tmp_path)
    assert agree.main(arguments) == code
    assert message in capsys.readouterr().err
