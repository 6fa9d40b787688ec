"""What is trained under a plan keeps to it; what was trained is kept, and checked."""

import errno
from dataclasses import replace

import pytest
import torch

from sw.training.checkpoint import CheckpointError
from sw.training.task import Monitor
from sw.training.trainer import Trainer, weight_masks
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
    integer, _, _, tuned = trainer.quantised("dense", net, None, 2.0, RECIPE)
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
