"""Training: masks, resuming, the data set's errors, int8 as the hardware computes it."""

import errno
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sw import train
from sw.experiment.training import RUN
from sw.graph.artefact import load_integer, save_integer
from sw.graph.integer import GraphError
from sw.networks.architectures import tinyvgg16
from sw.prune.apply import apply_plan
from sw.quantise.aware import FakeQuantised
from sw.quantise.post_training import calibrate, quantise, quantise_with, run_float
from sw.reference.batched import accuracy, run_integer
from sw.reference.golden import run_golden
from sw.training.augment import random_crops
from sw.training.checkpoint import CheckpointError
from sw.training.dataset import DatasetError, load_tiny_imagenet
from sw.training.digits import digits_task
from sw.training.fit import Batches, fit
from sw.training.recipe import FitError, Recipe
from sw.training.task import Monitor
from sw.training.trainer import Trainer, weight_masks

RECIPE = Recipe(epochs=1, batch=64, rate=2e-3, seed=5)


@pytest.fixture(scope="module")
def task():
    return digits_task(3)


@pytest.fixture(scope="module")
def dense(task, tmp_path_factory):
    trainer = Trainer(task, tmp_path_factory.mktemp("dense"))
    return trainer, trainer.dense(replace(RECIPE, epochs=3))


def batches(task) -> Batches:
    return Batches.training(task.data, task.augment, task.plain, torch.device("cpu"))


@pytest.mark.parametrize("gradual", [0.0, 0.6])
def test_masked_weights_are_zero_after_training_and_nothing_else_is(dense, task, gradual):
    trainer, net = dense
    plan = trainer.plan(net, 8, "fc", "random", 1)
    pruned = trainer.pruned(f"gradual-{gradual}", net, plan, replace(RECIPE, gradual=gradual))
    masks = weight_masks(net, trainer.graph(net), plan)
    for name, parameter in pruned.named_parameters():
        if name in masks:
            assert torch.equal(parameter != 0, masks[name].bool())
            assert float(masks[name].mean()) == 1 / 8


def test_masks_hold_after_every_step(task):
    net = task.make()
    torch.manual_seed(1)
    mask = (torch.rand_like(net.fc1.weight) > 0.5).float()
    seen = []

    def look(step, steps, loss):
        seen.append(bool((net.fc1.weight[mask == 0] == 0).all()))

    fit(net, batches(task), RECIPE, masks={"fc1.weight": mask}, progress=look)
    assert len(seen) >= 2 and all(seen)


def test_gradual_pruning_fades_weights_before_they_vanish(task):
    net = task.make()
    mask = torch.zeros_like(net.fc1.weight)
    size = []
    fit(net, batches(task), replace(RECIPE, gradual=1.0, epochs=2), masks={"fc1.weight": mask},
        progress=lambda *a: size.append(float(net.fc1.weight.detach().abs().mean())))
    assert 0 < size[1] < size[0] and size[-1] == 0


def interrupted_in_step(net: nn.Module, step: int) -> nn.Module:
    """A network in whose forward pass of a step Ctrl-C comes, after its statistics have changed."""
    steps = iter(range(1, step + 1))

    def interrupt(module, inputs, output):
        if next(steps) == step:
            raise KeyboardInterrupt

    net.register_forward_hook(interrupt)
    return net


def test_an_interrupted_run_ends_at_the_same_weights(task, tmp_path):
    recipe = replace(RECIPE, epochs=2)

    def fresh() -> nn.Module:
        torch.manual_seed(9)
        return task.make()

    whole = fresh()
    fit(whole, batches(task), recipe, masks={})
    state = tmp_path / "x.state"
    with pytest.raises(KeyboardInterrupt) as stopped:
        fit(interrupted_in_step(fresh(), 19), batches(task), recipe, masks={}, state=state)
    assert "after step 18 of 44" in stopped.value.__notes__[0]
    assert state.is_file()
    torch.manual_seed(1234)  # what came before must not matter
    resumed = task.make()
    fit(resumed, batches(task), recipe, masks={}, state=state)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_training_is_not_lost_where_its_weights_cannot_be_written(task, tmp_path, monkeypatch):
    """Neither that of a network nor its fine-tuning in int8: both go on from their states."""
    trainer = Trainer(task, tmp_path, monitor=Monitor(checkpoint_s=0))
    state, tuning = tmp_path / "dense.state", tmp_path / "dense-int8.state"

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sw.training.trainer.save_checkpoint", full)
        with pytest.raises(OSError, match="No space"):
            trainer.dense(RECIPE)
    assert state.is_file()
    steps = []
    trainer.monitor = Monitor(progress=lambda part, *rest: steps.append(rest), checkpoint_s=0)
    net = trainer.dense(RECIPE)
    assert not steps and not state.exists()  # no step was left
    integer, _, _, tuned = trainer.quantised("dense", net, None, 2.0, RECIPE)
    with monkeypatch.context() as patch:
        patch.setattr("sw.training.trainer.save_integer", full)
        with pytest.raises(OSError, match="No space"):
            trainer.save("dense", integer)
    assert tuned and tuning.is_file()
    trainer.save("dense", integer)
    assert not tuning.exists() and (tmp_path / "dense-int8.safetensors").is_file()


def test_a_state_of_another_run_or_a_broken_one_is_refused(task, tmp_path):
    state = tmp_path / "x.state"
    with pytest.raises(KeyboardInterrupt):
        fit(interrupted_in_step(task.make(), 1), batches(task), RECIPE, masks={}, state=state)
    with pytest.raises(FitError, match="another run"):
        fit(task.make(), batches(task), replace(RECIPE, rate=1e-4), masks={}, state=state)
    state.write_bytes(b"nonsense")
    with pytest.raises(FitError, match=r"x\.state: not a training state"):
        fit(task.make(), batches(task), RECIPE, masks={}, state=state)


@pytest.mark.parametrize(("name", "spoil"), [
    ("dense.safetensors", lambda raw: raw[:len(raw) // 2]),
    ("dense.safetensors", lambda raw: raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]),
    ("dense.safetensors", lambda raw: b""), ("dense.state", lambda raw: raw)])
def test_damaged_weights_in_the_cache_are_trained_again(task, tmp_path, name, spoil):
    said = []
    trainer = Trainer(task, tmp_path, monitor=Monitor(said.append), cache=True)
    first = trainer.dense(replace(RECIPE, epochs=0))
    weights = tmp_path / "dense.safetensors"
    raw = weights.read_bytes()
    if name.endswith(".state"):
        weights.unlink()
    (tmp_path / name).write_bytes(spoil(raw))
    again = trainer.dense(replace(RECIPE, epochs=0))
    trainer.dense(replace(RECIPE, epochs=0))
    assert len(said) == 1 and str(tmp_path / name) in said[0]
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_damaged_weights_of_a_user_are_refused(task, tmp_path):
    trainer = Trainer(task, tmp_path)
    trainer.dense(replace(RECIPE, epochs=0))
    path = tmp_path / "dense.safetensors"
    raw = path.read_bytes()
    path.write_bytes(raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:])
    with pytest.raises(CheckpointError, match=r"dense\.safetensors: its tensors are not as they"):
        trainer.dense(replace(RECIPE, epochs=0))


def test_a_diverging_loss_is_said_with_a_remedy(task):
    with pytest.raises(FitError, match="lower --rate"):
        net = task.make()
        with torch.no_grad():
            net.fc3.bias[0] = float("nan")
        fit(net, batches(task), RECIPE, masks={})


@pytest.mark.parametrize(("change", "message"), [
    ({"epochs": -1}, "epochs is -1"), ({"batch": 1}, "batch is 1"), ({"rate": 0.0}, "rate is 0"),
    ({"gradual": 1.5}, "gradual is 1.5"), ({"distil": -0.1}, "distil is -0.1")])
def test_a_bad_recipe_names_the_field(change, message):
    with pytest.raises(FitError, match=message):
        replace(RECIPE, **change).validate()


# -- integers ----------------------------------------------------------------------------------
@pytest.mark.parametrize("prune", ["none", "fc", "all"])
def test_batched_integers_equal_the_golden_model(dense, task, prune):
    trainer, net = dense
    graph = trainer.graph(net)
    if prune != "none":
        graph = apply_plan(graph, trainer.plan(net, 4, prune, "optimised", 1))
    images = task.plain(torch.from_numpy(task.data.held_images[:16]))
    integer = quantise(graph, images.numpy())
    outputs = run_integer(integer, images)
    for image, output in zip(images.numpy(), outputs.numpy(), strict=True):
        golden = run_golden(integer, integer.quantise_input(image))[-1]
        assert np.array_equal(golden, output)


def test_fake_quantisation_is_what_the_integers_compute_to_a_step(dense, task):
    trainer, net = dense
    graph = trainer.graph(net)
    images = task.plain(torch.from_numpy(task.data.held_images[:64]))
    scales = calibrate(graph, images.numpy())
    fake = FakeQuantised(graph, scales)
    steps = fake(images).detach() / scales[-1]
    integer = run_integer(quantise_with(graph, scales), images).flatten(1)
    # multipliers have 16 bits, so a rounding may fall the other way, and spread
    assert float((steps - integer).abs().max()) <= 3
    assert float((steps - integer).abs().mean()) < 0.2
    exact = run_float(graph, images)[-1].flatten(1) / scales[-1]
    assert float((exact - integer).abs().mean()) > 0.2  # rounding is felt


def test_quantisation_aware_tuning_recovers_what_coarse_steps_lose(dense, task):
    trainer, net = dense
    graph = trainer.graph(net)
    images = task.plain(torch.from_numpy(task.data.train_images))
    scales = [60 * s for s in calibrate(graph, images[:256].numpy())]
    before = trainer.accuracy_integer(quantise_with(graph, scales)).top1
    fake = FakeQuantised(graph, scales)
    fit(fake, batches(task), replace(RECIPE, epochs=2), masks={})
    after = trainer.accuracy_integer(quantise_with(fake.folded(), scales)).top1
    assert after > before + 0.02


def test_accuracy_counts_ties_for_the_lowest_class():
    outputs = torch.tensor([[5, 5, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]])
    result = accuracy(lambda x: x, outputs, torch.tensor([1, 5]))
    assert (result.top1, result.top5) == (0.0, 0.5)


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


def test_a_file_that_is_no_integer_network_is_refused(dense, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(GraphError, match=r"a\.safetensors: not an integer network"):
        load_integer(tmp_path / "a.safetensors")
    with pytest.raises(GraphError, match="not an integer network of this project"):
        load_integer(dense[0].folder / "dense.safetensors")


# -- Tiny ImageNet -----------------------------------------------------------------------------
def make_folder(root, classes=("n01", "n02"), train_images=3, held=2):
    rng = np.random.default_rng(0)

    def picture(path, size=(64, 64)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(path, "JPEG")

    (root / "val").mkdir(parents=True)
    (root / "wnids.txt").write_text("\n".join(classes) + "\n")
    lines = []
    for name in classes:
        for k in range(train_images):
            picture(root / "train" / name / "images" / f"{name}_{k}.JPEG")
        for k in range(held):
            picture(root / "val" / "images" / f"val_{name}_{k}.JPEG")
            lines.append(f"val_{name}_{k}.JPEG\t{name}\t0\t0\t63\t63")
    (root / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    return picture


def test_tiny_imagenet_is_decoded_once(tmp_path):
    root = tmp_path / "data" / "tiny-imagenet-200"
    make_folder(root)
    said = []
    for _ in range(2):
        data = load_tiny_imagenet(tmp_path / "data", cache=tmp_path / "cache", say=said.append)
    assert data.train_images.shape == (6, 3, 64, 64) and data.train_labels.tolist() == [0] * 3 + [
        1] * 3
    assert data.held_images.shape == (4, 3, 64, 64)
    assert len([s for s in said if "decoding" in s]) == 2
    with Image.open(root / "train" / "n02" / "images" / "n02_1.JPEG") as image:
        assert np.array_equal(data.train_images[4], np.asarray(image).transpose(2, 0, 1))
    small = load_tiny_imagenet(root, classes=1, per_class=2, cache=tmp_path / "cache")
    assert small.train_images.shape[0] == 2 and small.held_images.shape[0] == 2


def spoil_truncate(root, picture):
    path = root / "train" / "n02" / "images" / "n02_1.JPEG"
    path.write_bytes(path.read_bytes()[:400])


def spoil_size(root, picture):
    picture(root / "val" / "images" / "val_n01_0.JPEG", (32, 64))


def spoil_class(root, picture):
    for path in (root / "train" / "n01" / "images").iterdir():
        path.unlink()


def spoil_annotations(root, picture):
    (root / "val" / "val_annotations.txt").write_text("val_n01_0.JPEG n01\n")


def spoil_held_out(root, picture):
    (root / "val" / "images" / "val_n02_1.JPEG").unlink()


@pytest.mark.parametrize(("spoil", "message"), [
    (spoil_truncate, r"n02_1\.JPEG: cannot be decoded"),
    (spoil_size, r"val_n01_0\.JPEG: is 64x32 pixels"),
    (spoil_class, r"train/n01/images: no \.JPEG files"),
    (spoil_annotations, "line 1 is 'val_n01_0.JPEG n01'"),
    (spoil_held_out, r"val_n02_1\.JPEG: cannot be read"),
])
def test_a_spoilt_folder_is_named(tmp_path, spoil, message):
    root = tmp_path / "tiny-imagenet-200"
    spoil(root, make_folder(root))
    with pytest.raises(DatasetError, match=message):
        load_tiny_imagenet(root, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob(".*")) if (tmp_path / "cache").exists() else True


def test_a_missing_folder_is_named(tmp_path, capsys):
    assert train.main(["--data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere: is not a folder; give the unpacked" in capsys.readouterr().err


def test_crops_stay_inside_and_are_mirrored():
    picture = torch.arange(8 * 8, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(64, 1, 8, 8)
    augment, plain = random_crops(6, (0.0,), (1.0,))
    crops = (augment(picture, torch.Generator().manual_seed(1)) * 255).round().long()
    assert crops.shape == (64, 1, 6, 6)
    steps = crops[:, 0, :, 1:] - crops[:, 0, :, :-1]
    assert {int(s) for s in steps.unique()} == {-1, 1}
    assert len({tuple(c.flatten().tolist()) for c in crops}) > 10
    assert (plain(picture)[0, 0, 0, 0] * 255).round() == 9


# -- the command -------------------------------------------------------------------------------
def test_the_command_trains_partitions_and_writes_results(tmp_path, capsys):
    out = tmp_path / "run"
    command = ["--network", "digits", "--epochs", "2", "--tune-epochs", "1", "--partitions", "4",
               "--out", str(out), "--json", "--quiet", "--seeds", "2"]
    assert train.main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert [r["name"] for r in result["rows"]] == ["dense", "p4-fc-optimised-1",
                                                   "p4-fc-optimised-2"]
    row = result["rows"][1]
    assert row["top1"] > 0.7 and row["kept_weight"].keys() == {"fc1", "fc2"}
    assert result == json.loads((out / "results.json").read_text())
    assert load_integer(out / "p4-fc-optimised-1-int8.safetensors").layers[-1].name == "fc3"
    again = train.main(command)
    repeated = json.loads(capsys.readouterr().out)
    for a, b in zip(result["rows"], repeated["rows"], strict=True):
        assert again == 0 and {**a, "seconds": 0} == {**b, "seconds": 0}
    assert train.main([*command, "--rate", "1e-3"]) == 2
    assert "--restart" in capsys.readouterr().err
    assert train.main(["--network", "digits", "--out", str(tmp_path), "--restart"]) == 2
    assert "it holds 'run', which this command has not written" in capsys.readouterr().err
    assert out.is_dir() and train.main([*command[:-2], "--restart"]) == 0
    capsys.readouterr()
    (out / "thesis.txt").write_text("precious")
    before = sorted(p.name for p in out.iterdir())
    for more in ([], ["--restart"]):
        assert train.main([*command, *more]) == 2
        assert "it holds 'thesis.txt'" in capsys.readouterr().err
    assert before == sorted(p.name for p in out.iterdir())


@pytest.mark.parametrize(("arguments", "message"), [
    (["--network", "digits", "--partitions", "7"], "not divisible by 7"),
    ([], "--data"), (["--network", "digits", "--batch", "1"], "--batch is 1"),
    *((["--network", "digits", option, value], f"{option} goes with --network tinyvgg16")
      for option, value in (("--data", "x"), ("--width", "1"), ("--classes", "2"),
                            ("--per-class", "1"))),
    *((["--network", "digits", "--ablation", option, value],
       f"{option} does not go with --ablation")
      for option, value in (("--partitions", "8"), ("--prune", "fc"),
                            ("--partitioner", "random"))),
    (["--network", "digits", "--rate", "11"], "--rate is 11; it must be a number above 0, at most "
     "10"),
    (["--network", "digits", "--rate", "5e-324"], "--rate is 5e-324: rate is 0"),
])
def test_bad_usage_is_refused(tmp_path, capsys, arguments, message):
    assert train.main([*arguments, "--out", str(tmp_path / "x")]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_another_run_holds_is_refused(tmp_path, capsys):
    RUN.claim(tmp_path, ["dense.state"])
    (tmp_path / "dense.state").write_text("of a run that goes on")
    with RUN.held(tmp_path):
        before = {p: p.read_bytes() for p in tmp_path.iterdir()}
        assert train.main(["--network", "digits", "--out", str(tmp_path), "--restart"]) == 5
        assert before == {p: p.read_bytes() for p in tmp_path.iterdir()}
    said = capsys.readouterr().err
    assert f"--out {tmp_path}: another command works in this folder; wait until" in said


@pytest.mark.parametrize("rate", [10.0, 1e-9])
def test_a_rate_that_the_option_takes_is_one_that_a_recipe_takes(rate):
    replace(RECIPE, rate=rate).validate()


def test_tinyvgg16_trains_from_the_folder(tmp_path, capsys):
    make_folder(tmp_path / "tiny-imagenet-200", train_images=8, held=4)
    assert train.main([
        "--data", str(tmp_path), "--width", "0.0625", "--epochs", "1", "--tune-epochs", "1",
        "--batch", "4", "--prune", "all", "--out", str(tmp_path / "run"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows[1]["partitions"] == 8 and "conv4_3" in rows[1]["kept_weight"]
    assert tinyvgg16(width=0.0625, classes=2).fc1.out_features == 256
