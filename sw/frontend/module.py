"""What capture asks of a user's module, and how it leaves it."""

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch.nn.parameter import is_lazy

from sw.ir.errors import UnsupportedLayer

__all__ = ["UnsupportedLayer", "check_values", "left_alone", "one_image"]


def one_image(in_shape: Sequence[int], name: str) -> tuple[int, int, int]:
    """Return (channels, rows, columns) of an `in_shape`; a batch of one before them is left out.

    Raises
    ------
    UnsupportedLayer
        If it is anything else.
    """
    try:
        shape = [operator.index(n) for n in in_shape]
    except (TypeError, ValueError, RuntimeError):
        shape = []
    if len(shape) == 4 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) == 4:
        raise UnsupportedLayer(f"network {name}: in_shape is {shape}, with a batch of "
                               f"{shape[0]} first; give one image's {shape[1:]}")
    if len(shape) != 3 or min(shape) < 1:
        given = "a tensor" if isinstance(in_shape, torch.Tensor) else shape or repr(in_shape)
        raise UnsupportedLayer(f"network {name}: in_shape is {given}; it must be (channels, rows, "
                               "columns), each 1 or more, or (features, 1, 1) of vectors")
    return shape[0], shape[1], shape[2]


def check_values(module: torch.nn.Module, name: str) -> None:
    """Raise UnsupportedLayer where parameters and buffers hold no numbers that can be taken."""
    if isinstance(module, torch.jit.ScriptModule):
        raise UnsupportedLayer(f"network {name}: is TorchScript, which torch.export does not take: "
                               "give the module that it was made of")
    for path, tensor in (*module.named_parameters(), *module.named_buffers()):
        if is_lazy(tensor):
            why = "has no shape yet: run the module once on an example before"
        elif tensor.is_meta:
            why = "is on the meta device, which holds no values: call module.to_empty(device=" \
                  "'cpu') and load its weights before"
        elif tensor.is_complex():
            why = f"is {tensor.dtype}; only real numbers run"
        elif tensor.is_quantized:
            why = f"is {tensor.dtype}; give the module from before its quantisation"
        else:
            continue
        raise UnsupportedLayer(f"network {name}: {path} {why}")


@contextmanager
def left_alone(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards the module, its buffers, and the random numbers of the
    process are as before.

    Neither `eval` nor `train` is called, which a module may have made its own.
    """
    modules = list(module.modules())
    attributes = [dict(vars(m)) for m in modules]
    places = [dict(m._buffers) for m in modules]
    values = [(tensor, tensor.clone()) for tensor in module.buffers()]
    try:
        with torch.random.fork_rng(devices=[]):
            for m in modules:
                m.training = False
            yield
    finally:
        for m, before, buffers in zip(modules, attributes, places, strict=True):
            vars(m).clear()
            vars(m).update(before)
            m._buffers.clear()
            m._buffers.update(buffers)
        with torch.no_grad():
            for tensor, value in values:
                if not torch.equal(tensor, value):
                    tensor.copy_(value)
