"""A user's own module is fine-tuned from its weights, and what cannot be is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from sw import train
from sw.experiment.choice import Choice
from sw.experiment.tuning import next_command, own_task
from sw.networks.naming import origin_of
from sw.networks.opening import opened
from sw.prune.partition import partition
from sw.training.recipe import Recipe
from sw.training.task import Row
from sw.training.trainer import Trainer
from tests.support.own import SHAPE, write_own

pytestmark = pytest.mark.trains
_MORE = '''
class Turned(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.f, self.g = nn.Conv2d(3, 8, 8, 8), nn.Linear(32, 8), nn.Linear(8, 5)

    def forward(self, x):
        return self.g(self.f(self.a(x).permute(0, 2, 3, 1).flatten(1)).relu())

class Bare(Turned):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(8, 32))

    def forward(self, x):
        return self.g(torch.nn.functional.linear(self.a(x).flatten(1), self.w).relu())

class Frozen(Turned):
    def __init__(self):
        super().__init__()
        self.requires_grad_(False)

class Smooth(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 8, 8), nn.SiLU(), nn.Flatten(), nn.Linear(32, 5))

class Soft(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = make()

    def forward(self, x):
        return self.net(x).softmax(1)

class Hard(Soft):
    def forward(self, x):
        return self.net(x)

class Vector(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(),
                         nn.Linear(8, 5))

def counted():
    with open(__file__ + ".log", "a") as log:
        log.write("x")
    return make()

def unlabelled():
    return torch.ones(8, 3, 16, 16)
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    own = write_own(tmp_path_factory.mktemp("tuning"))
    own.source.write_text(own.source.read_text() + _MORE)
    return own


def tuned(own, name, out, *more):
    return train.main(["--network", f"{own.source}:{name}", "--input-shape", "3x16x16", "--out",
                       str(out), "--quiet", "--tune-epochs", "1", "--qat-epochs", "0", "--batch",
                       "4", *map(str, more)])


def test_weights_are_gone_on_from_and_are_weights_again(own, tmp_path, capsys):
    out = tmp_path / "run"
    asked = ["--weights", own.weights, "--data", own.npz, "--partitions", "2"]
    assert tuned(own, "counted", out, *asked, "--augment", "flip,crop") == 0
    assert own.source.with_name("own.py.log").read_text() == "x"  # it is opened once
    assert json.loads((out / "results.json").read_text())["augment"] == ["flip", "crop"]
    lines = capsys.readouterr().out.splitlines()
    tuned_weights = out / "p2-fc-optimised-1.safetensors"
    assert lines[-1] == (
        f"next: python -m sw.compare --network {own.source}:counted --weights {tuned_weights} "
        f"--input-shape 3x16x16 --data {out}/held-out.npz --calibration {out}/calibration.npz "
        f"--plan {out}/p2-fc-optimised-1.plan.json")
    with np.load(own.npz) as given, np.load(out / "held-out.npz") as held, np.load(
            out / "calibration.npz") as others:
        assert (len(held["images"]), len(others["images"])) == (2, 10)
        for image in given["images"]:  # each is in one of them
            assert sum(np.array_equal(image, x) for x in (*held["images"], *others["images"])) == 1
    told = " ".join(" ".join(lines[:3]).split())  # in lines as long as paths let them be
    assert "12 of 12 images" in told and "10 for training and 2 held out; flip, crop" in told
    origin = origin_of(f"{own.source}:make", in_shape=SHAPE, weights=tuned_weights)
    graph = opened(origin).graph
    assert partition(graph, ["5"], 2, seed=1).kept == (1.0,)  # what is left is in two parts
    dense = origin_of(f"{own.source}:make", in_shape=SHAPE, weights=own.weights)
    assert np.array_equal(opened(dense).graph.layers[0].weight, opened(origin_of(
        f"{own.source}:make", in_shape=SHAPE, weights=out / "dense.safetensors")
        ).graph.layers[0].weight)
    assert tuned(own, "make", out, "--weights", tuned_weights, "--data", own.npz, "--partitions",
                 "2", "--restart") == 2
    assert f"of which {tuned_weights} is read" in capsys.readouterr().err
    assert tuned_weights.is_file()
    for more in (asked[2:], asked):  # of the weights that `make` makes; of images as they are
        assert tuned(own, "counted", out, *more) == 2
        assert "is of another run" in capsys.readouterr().err


def test_the_next_command_prepares_nothing_anew(tmp_path):
    asked = train.parser().parse_args([
        "--network", "net.py:make", "--input-shape", "3x16x16", "--data", "photos", "--size", "20",
        "--crop", "centre", "--mean", "0.5", "--deviation", "0.25", "--channels", "bgr",
        "--labels", "names.txt", "--out", str(tmp_path)])
    row = Row("p2", 2, "fc", "optimised", 1, {}, 9, 0.5, 0.9, 0.5, 0.5, 0.9, False)
    assert next_command(asked, row).split(" --data")[0] == (
        f"python -m sw.compare --network net.py:make --weights {tmp_path}/p2.safetensors "
        "--input-shape 3x16x16")
    assert next_command(asked, row).endswith(
        f"--calibration {tmp_path}/calibration.npz --labels names.txt --plan "
        f"{tmp_path}/p2.plan.json")


def test_a_network_that_branches_is_fine_tuned_but_not_in_int8(own, tmp_path, capsys):
    out = tmp_path / "run"
    assert tuned(own, "Branches", out, "--data", f"{own.source}:images", "--partitions", "2",
                 "--prune", "all", "--json") == 2
    assert "has 4 images; fine-tuning takes 5 or more" in capsys.readouterr().err
    np.savez(tmp_path / "four.npz", images=np.ones((6, *SHAPE), np.float32),
             labels=np.arange(6) % 4)
    assert tuned(own, "Branches", out, "--data", tmp_path / "four.npz", "--partitions", "2",
                 "--prune", "all", "--json") == 0
    row = json.loads(capsys.readouterr().out)["rows"][-1]
    assert row["name"] == "p2-all-optimised-1" and set(row["kept_weight"]) == {"b"}
    assert not row["qat"]


def test_of_a_module_that_ends_in_a_softmax_the_scores_before_it_are_trained(own, tmp_path):
    nets, said = {}, list[str]()
    for name in ("Soft", "Hard"):
        choice = Choice(origin_of(f"{own.source}:{name}", in_shape=SHAPE), own.npz)
        trainer = Trainer(own_task(choice, seed=1, say=said.append), tmp_path / name)
        recipe = Recipe(epochs=1, batch=4, rate=0.05, seed=1, distil=0.5)
        nets[name] = trainer.longer(trainer.dense(replace(recipe, epochs=0)), recipe).state_dict()
    assert said[1] == "its softmax at the end is left out of the loss: the scores before it are " \
        "trained"
    before = own_task(choice, seed=1).make().state_dict()
    assert (nets["Hard"]["net.7.weight"] - before["net.7.weight"]).abs().max() > 0.01
    # A bias before a norm has no gradient but rounding, and is in the norm's mean.
    for key in nets["Hard"].keys() - {"net.0.bias", "net.1.running_mean"}:
        assert torch.allclose(nets["Soft"][key], nets["Hard"][key], atol=1e-3), key


def test_masks_that_cannot_be_held_are_refused_before_anything_is_trained(own, tmp_path, capsys):
    assert tuned(own, "Turned", tmp_path / "run", "--data", own.npz, "--ablation") == 2
    assert "layer f: its inputs are in another order" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "more", "message"), [
    ("make", ["--data", "NPZ", "--augment", "flip,blur"], "'blur'; there are flip, crop"),
    ("Vector", ["--data", "NPZ", "--augment", "flip", "--input-shape", "12", "--partitions", "2"],
     "takes vectors; --augment is for images"),
    ("Turned", ["--data", "NPZ"], "layer f: its inputs are in another order than its weights"),
    ("Bare", ["--data", "NPZ", "--partitions", "2"], "whose masks could be held: make it a modu"),
    ("Frozen", ["--data", "NPZ"], "none of its parameters requires a gradient"),
    ("Smooth", ["--data", "NPZ"], "which fine-tuning does not know; prune and tune it in torch, "),
    ("make", ["--data", "NPZ", "--calibration", "NPZ"], "--calibration is not for training"),
    ("make", ["--data", "SOURCE:unlabelled"], "has no labels, which fine-tuning needs"),
    ("make", [], "is fine-tuned on images with labels: give them with --data"),
    ("make", ["--data", "NPZ", "--weights", "a", "--checkpoint", "b"], "leave one out"),
    ("make", ["--data", "NPZ", "--width", "0.5"], "--width goes with --network tinyvgg16")])
def test_what_cannot_be_tuned_is_refused(own, tmp_path, capsys, name, more, message):
    given = [x.replace("NPZ", str(own.npz)).replace("SOURCE", str(own.source)) for x in more]
    assert tuned(own, name, tmp_path / "run", *given) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    (["--network", "own.onnx", "--data", "images"], "what is trained is a torch module: give FILE"),
    (["--network", "tinyvgg16-slim"], "of those that come with it tinyvgg16 and digits are trai"),
    (["--network", "digits", "--mean", "0.5"], "--mean goes with a network of your own"),
    (["--network", "digit"], "did you mean 'digits'?")])
def test_what_is_no_module_is_refused(own, arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(own.onnx.parent)
    assert train.main(arguments) == 2
    assert message in capsys.readouterr().err
