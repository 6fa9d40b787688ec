"""Weights of a user's module from a safetensors file; nothing is ever unpickled."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from hw.support.text import listed

__all__ = ["WeightsError", "put_weights"]

_SHOWN = 8
#: What `torch.nn.utils.prune` adds to the name of a tensor that it masks.
_AS_IT_WAS, _MASK = "_orig", "_mask"


class WeightsError(ValueError):
    """A file whose tensors are not those of the module; the message names them all, or many."""


def put_weights(module: torch.nn.Module, path: Path) -> None:
    """Load a file's tensors into a module: all of its names, no others, in its shapes.

    Counts of batches that norms have seen may be missing, since nothing depends on them. What
    `torch.nn.utils.prune` masks is in the file as it was and the mask, and is loaded masked.

    Raises
    ------
    OSError
        If the file cannot be read.
    WeightsError
    """
    path.open("rb").close()  # for an error with its name if it cannot be read
    expected = module.state_dict()
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            shapes = {x: file.get_slice(x).get_shape() for x in names}
            masked = _masked(expected, shapes)
            faults = _faults(expected, _without_masks(shapes, masked))
            if faults:
                raise WeightsError(f"{path}: not the weights of {type(module).__name__}: "
                                   + "; ".join(faults))
            tensors = {name: file.get_tensor(name + _AS_IT_WAS) * file.get_tensor(name + _MASK)
                       if name in masked else file.get_tensor(name)
                       for name in _without_masks(shapes, masked)}
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file: {error}{_pickled(path)}") from None
    whole = sorted(name for name, tensor in tensors.items()
                   if expected[name].is_floating_point() and not tensor.is_floating_point())
    if whole:
        raise WeightsError(f"{path}: {listed(whole, _SHOWN)} hold integers, of which the scales "
                           "are not known; give real weights, or a quantised model as ONNX or .pt2")
    broken = sorted(name for name, tensor in tensors.items()
                    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()))
    if broken:
        raise WeightsError(f"{path}: {listed(broken, _SHOWN)} hold NaN or infinity")
    module.load_state_dict(tensors, strict=False)


def _masked(expected: dict[str, torch.Tensor], found: dict[str, list[int]]) -> set[str]:
    """Tensors of a module that a file has as `torch.nn.utils.prune` keeps them."""
    return {name for name in expected if name not in found
            and found.get(name + _AS_IT_WAS, 0) == found.get(name + _MASK)}


def _without_masks(found: dict[str, list[int]], masked: set[str]) -> dict[str, list[int]]:
    """A file's shapes, those of masked tensors under the module's names."""
    parts = {name + part for name in masked for part in (_AS_IT_WAS, _MASK)}
    return {name: shape for name, shape in found.items() if name not in parts} \
        | {name: found[name + _MASK] for name in masked}


def _faults(expected: dict[str, torch.Tensor], found: dict[str, list[int]]) -> list[str]:
    """What is wrong with a file's names and shapes, in words."""
    missing = [n for n in expected if n not in found and not n.endswith("num_batches_tracked")]
    surplus = sorted(found.keys() - expected.keys())
    other = [f"{n} {found[n]} for {list(expected[n].shape)}" for n in expected
             if n in found and found[n] != list(expected[n].shape)]
    said = [f"{what} {listed(names, _SHOWN)}" for what, names in (
        ("it lacks", missing), ("it has besides", surplus), ("of another shape are", other))
        if names]
    prefixes = {n.partition(".")[0] for n in found}
    if missing and surplus and len(prefixes) == 1:
        prefix = next(iter(prefixes)) + "."
        if {n.removeprefix(prefix) for n in found} >= set(missing):
            said.append(f"all names begin with {prefix!r}: store the tensors without it")
    return said


def _pickled(path: Path) -> str:
    """What to do with a file of torch.save, which is not read as it can run code."""
    with path.open("rb") as file:
        if not file.read(4).startswith((b"PK", b"\x80")):
            return ""
    return ("; it seems one of torch.save: save_file(torch.load(FILE, weights_only=True), "
            "\"net.safetensors\") of safetensors.torch writes one that is read")
