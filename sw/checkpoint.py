"""Trained weights in safetensors files; nothing is ever unpickled."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from hw.files import save_file

__all__ = ["CheckpointError", "load_checkpoint", "read_metadata", "save_checkpoint"]


class CheckpointError(ValueError):
    """A file that does not hold the weights of the network."""


def load_checkpoint(module: torch.nn.Module, path: Path) -> None:
    """Load a safetensors file into a module.

    Raises
    ------
    CheckpointError
        Naming the file and the first tensor that is missing, unknown or of another shape.
    """
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file: {error}") from None
    expected = module.state_dict()
    for name, tensor in expected.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in tensors:
            raise CheckpointError(f"{path}: tensor {name!r} is missing")
        if tensors[name].shape != tensor.shape:
            raise CheckpointError(f"{path}: tensor {name!r} is {list(tensors[name].shape)}; the "
                                  f"network has {list(tensor.shape)}")
    unknown = sorted(set(tensors) - set(expected))
    if unknown:
        raise CheckpointError(f"{path}: tensor {unknown[0]!r} is not in the network")
    module.load_state_dict(tensors, strict=False)


def save_checkpoint(module: torch.nn.Module, path: Path,
                    metadata: dict[str, str] | None = None) -> None:
    """Write a module's weights, whole or not at all."""
    save_file(path, save({k: v.contiguous() for k, v in module.state_dict().items()}, metadata))


def read_metadata(path: Path) -> dict[str, str]:
    """Return what was saved beside the weights.

    Raises
    ------
    CheckpointError
        If it is not a safetensors file.
    """
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file: {error}") from None
