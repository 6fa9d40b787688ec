"""Trained weights in safetensors files; nothing is ever unpickled."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from hw.support.files import save_file

__all__ = ["CheckpointError", "load_checkpoint", "load_tensors", "read_metadata",
           "save_checkpoint", "save_tensors"]

#: Under which a file's metadata have the checksum of its tensors.
_DIGEST = "sha256"
#: What real numbers can be in a file, and counts.
_REAL, _COUNT = ("F64", "F32", "F16", "BF16"), ("I64",)


class CheckpointError(ValueError):
    """A file that does not hold the weights of the network."""


def load_checkpoint(module: torch.nn.Module, path: Path) -> None:
    """Load a safetensors file into a module.

    Raises
    ------
    CheckpointError
        As `load_tensors`.
    """
    tensors, _ = load_tensors(path, module.state_dict())
    module.load_state_dict(tensors, strict=False)


def save_checkpoint(module: torch.nn.Module, path: Path,
                    metadata: dict[str, str] | None = None) -> None:
    """Write a module's weights, whole or not at all."""
    save_tensors(dict(module.state_dict()), path, metadata or {})


def save_tensors(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write tensors with their checksum, whole or not at all."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    shared = [x.data_ptr() for x in tensors.values()]
    tensors = {name: x if shared.count(x.data_ptr()) == 1 else x.clone()  # a file shares nothing
               for name, x in tensors.items()}
    save_file(path, save(tensors, {**metadata, _DIGEST: _digest(tensors)}))


def load_tensors(path: Path, expected: dict[str, torch.Tensor], optional: str = "",
                 ) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read tensors of the names, kinds and shapes that are expected.

    Parameters
    ----------
    path : Path
    expected : tensors like those of the file, by name
    optional : beginning of names that may be missing, as norms' counts may; none if empty

    Returns
    -------
    (tensors, metadata)

    Raises
    ------
    CheckpointError
        Naming the file and the first tensor that is missing, unknown, of another shape or type,
        or not finite; or if the tensors are not as `save_tensors` wrote them.
    """
    with _opened(path) as file:
        names = set(file.keys())
        for name, tensor in expected.items():
            if name in names:
                _check_kind(path, name, file.get_slice(name), tensor)
            elif not (name.endswith("num_batches_tracked")
                      or (optional and name.startswith(optional))):
                raise CheckpointError(f"{path}: tensor {name!r} is missing")
        if unknown := sorted(names - set(expected)):
            raise CheckpointError(f"{path}: tensor {unknown[0]!r} is not in the network")
        tensors = {name: file.get_tensor(name) for name in sorted(names)}
        metadata = file.metadata() or {}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: tensor {name!r} holds NaN or infinity; weights are "
                                  "finite")
    if metadata.get(_DIGEST) not in (None, _digest(tensors)):
        raise CheckpointError(f"{path}: its tensors are not as they were written: the file is "
                              "damaged")
    return tensors, metadata


def _check_kind(path: Path, name: str, found, expected: torch.Tensor) -> None:
    """Check a tensor's shape and type by the file's header, before it is read."""
    if found.get_shape() != list(expected.shape):
        raise CheckpointError(f"{path}: tensor {name!r} is {found.get_shape()}; the network has "
                              f"{list(expected.shape)}")
    kinds = _REAL if expected.is_floating_point() else _COUNT
    if found.get_dtype() not in kinds:
        raise CheckpointError(f"{path}: tensor {name!r} is of type {found.get_dtype()}; it must be "
                              f"of {' or '.join(kinds)}")


def read_metadata(path: Path) -> dict[str, str]:
    """Return what was saved beside the weights.

    Raises
    ------
    CheckpointError
        If it is not a safetensors file.
    """
    with _opened(path) as file:
        return file.metadata() or {}


@contextmanager
def _opened(path: Path) -> Iterator[safe_open]:
    path.open("rb").close()  # for an error with its name if it cannot be read
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file: {error}") from None


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
