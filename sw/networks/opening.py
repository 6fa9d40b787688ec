"""Opens what names a network: its layers, whatever it is stored as."""

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from sw.frontend.torch import import_torch
from sw.fuse.fuse import fuse
from sw.graph.floating import FloatGraph
from sw.ir.errors import CaptureNotice, ImageShapeError, UnsupportedLayer
from sw.ir.graph import Graph
from sw.onnx.capture import import_onnx

from .bare import bare_network
from .callables import CallableError, called, find_callable
from .exported import read_exported
from .naming import Kind, Origin
from .weights import put_weights

__all__ = ["Opened", "as_module", "imported", "opened", "runs_code"]

#: What a network is opened as: a module and the shape of its input, but for an ONNX file.
Module = tuple[torch.nn.Module, tuple[int, int, int]]


@dataclass(frozen=True, eq=False)
class Opened:
    """A network's layers, and `notices` of what of it does not run on the accelerator."""

    graph: FloatGraph
    notices: tuple[str, ...] = ()


def runs_code(origin: Origin) -> str | None:
    """What to tell a user of code that opening a network runs; None where it runs none."""
    if origin.kind is not Kind.CALLABLE:
        return None
    place = origin.text.rpartition(":")[0]
    return f"running {place}, as --network asks for: its code can do what you can"


@cache
def opened(origin: Origin) -> Opened:
    """A network's layers; of one that comes with it without weights, all zero.

    Raises
    ------
    OSError, ToolMissingError
    UnsupportedLayer, CallableError, ExportedError, WeightsError
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            graph = fuse(imported(origin))
        except UnsupportedLayer as error:
            if not error.others:
                raise
            raise UnsupportedLayer(f"{error}; {len(error.others)} more cannot run: python -m "
                                   "sw.check names all") from None
    return Opened(graph, tuple(str(w.message) for w in caught
                               if issubclass(w.category, CaptureNotice)))


@cache
def imported(origin: Origin) -> Graph:
    """A network's operators; errors as of `opened`."""
    if origin.kind is Kind.ONNX:
        return import_onnx(Path(origin.text), origin.in_shape, origin.name)
    module, shape = as_module(origin)
    return import_torch(module, shape, origin.name)


@cache
def as_module(origin: Origin) -> Module:
    """A network that torch holds, with its weights, opened once: who changes it takes a copy.
    Errors as of `opened`."""
    if origin.kind is Kind.OURS:
        return bare_network(origin.text)
    if origin.kind is Kind.EXPORTED:
        module, shape = read_exported(Path(origin.text))
        if origin.in_shape not in (None, shape):
            raise ImageShapeError(f"network {origin.name}: was exported for {list(shape)}; "
                                  f"--input-shape is {list(origin.in_shape or ())}")
        return module, shape
    if origin.in_shape is None:
        raise ImageShapeError(f"network {origin.name}: give the shape of one image, such as "
                              "--input-shape 3x224x224")
    if origin.weights:
        origin.weights.open("rb").close()  # before any code is run
    with torch.random.fork_rng():
        torch.manual_seed(0)  # what the callable draws is the same each time
        module = called(origin.text, find_callable(origin.text))
    if not isinstance(module, torch.nn.Module):
        raise CallableError(f"{origin.text} gives {type(module).__name__}; it must give a "
                            "torch.nn.Module")
    if origin.weights:
        put_weights(module, origin.weights)
    return module.eval(), origin.in_shape
