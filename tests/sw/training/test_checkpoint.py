"""Weights travel in safetensors; anything else is refused by name."""

import pickle

import pytest
import torch
from torch import nn

from sw.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint


def test_weights_survive_their_file(tmp_path):
    net, other = nn.Linear(3, 2), nn.Linear(3, 2)
    save_checkpoint(net, tmp_path / "w.safetensors")
    load_checkpoint(other, tmp_path / "w.safetensors")
    assert torch.equal(net.weight, other.weight)


def test_a_pickle_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(CheckpointError, match=r"w\.safetensors: not a safetensors file"):
        load_checkpoint(nn.Linear(3, 2), path)


@pytest.mark.parametrize("other,message", [
    (nn.Linear(4, 2), r"tensor 'weight' is \[2, 4\]; the network has \[2, 3\]"),
    (nn.Linear(3, 2, bias=False), "tensor 'bias' is missing"),
    (nn.Sequential(nn.Linear(3, 2)), "tensor 'weight' is missing"),
])
def test_the_wrong_network_is_named(tmp_path, other, message):
    save_checkpoint(other, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(nn.Linear(3, 2), tmp_path / "w.safetensors")
