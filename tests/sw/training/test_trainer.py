"""What is trained under a plan keeps to it; what was trained is kept, and checked."""

import errno
from dataclasses import replace

import pytest
import torch

from sw.training.checkpoint import CheckpointError
from sw.training.modules import weight_masks
from sw.training.task import Monitor
from sw.training.trainer import Trainer
from tests.support.training import RECIPE

pytestmark = pytest.mark.trains


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
    monkeypatch.setattr("sw.training.trainer.QAT_THRESHOLD", -2.0)
    integer, _, _, tuned = trainer.quantised("dense", net, None, RECIPE)
    with monkeypatch.context() as patch:
        patch.setattr("sw.training.trainer.save_integer", full)
        with pytest.raises(OSError, match="No space"):
            trainer.save("dense", integer)
    assert tuned and tuning.is_file()
    trainer.save("dense", integer)
    assert not tuning.exists() and (tmp_path / "dense-int8.safetensors").is_file()


@pytest.mark.parametrize(("name", "spoil"), [
    ("dense.safetensors", lambda raw: raw[:len(raw) // 2]),
    ("dense.safetensors", lambda raw: raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]),
    ("dense.safetensors", lambda raw: b""), ("dense.state", lambda raw: raw)])
def test_damaged_weights_in_the_cache_are_trained_again(task, tmp_path, name, spoil):
    said: list[str] = []
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


def test_nothing_is_decided_on_held_out_images(dense, monkeypatch):
    """Whether int8 is fine-tuned follows from training images, whatever held-out ones say."""
    trainer, net = dense
    integer, said, _, _ = trainer.quantised("dense", net, None, None)
    lost = trainer.lost_to_int8(net, integer)
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "_labels", (trainer._labels + 1) % 10)
        assert trainer.lost_to_int8(net, integer) == lost
        patch.setattr("sw.training.trainer.QAT_THRESHOLD", lost)
        _, told, _, tuned = trainer.quantised("dense", net, None, RECIPE)
    assert not tuned and told.top1 < said.top1 / 2


def test_the_dense_network_is_trained_as_long_as_pruned_ones(dense):
    trainer, net = dense
    longer = trainer.longer(net, replace(RECIPE, gradual=0.3, distil=0.5))
    assert (trainer.folder / "dense-longer.safetensors").is_file()
    assert all(torch.count_nonzero(p) for p in longer.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(longer.parameters(), net.parameters(),
                                                     strict=True))
