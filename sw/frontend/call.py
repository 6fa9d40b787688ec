"""One call in a graph that torch has exported, as what imports an operator sees it."""

from typing import Any

import numpy as np
import torch
from torch import fx

from sw.ir.building import Builder
from sw.ir.graph import Node, Value
from sw.ir.held import Codes, Whole
from sw.ir.operators import Shape

__all__ = ["BATCH", "Call", "kind_of"]

BATCH = 2  # of the example that the export sees

#: What a node of torch's graph is: a value, stored numbers, several of them, a number, or nothing.
Found = Any


def kind_of(node: fx.Node) -> str:
    """An operator's name and overload, as `conv2d.default`."""
    return str(node.target).removeprefix("aten.").removeprefix("quantized_decomposed.")


def _path(node: fx.Node) -> str:
    """The module that a call is of, or the call's own name."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [path for path, _ in stack.values() if path]
    return (paths[-1] if paths else node.name).removeprefix("L['self'].") or node.name


class Call(Builder):
    """A call's arguments by name, with their defaults, and the nodes that it adds.

    Parameters
    ----------
    node : the call
    known : what the nodes before are
    nodes : nodes of the imported graph, which grow
    """

    def __init__(self, node: fx.Node, known: dict[fx.Node, Found], nodes: list[Node]):
        super().__init__(_path(node), node.name, nodes)
        self.node, self._known = node, known
        self.kind = kind_of(node)
        schema = getattr(node.target, "_schema", None)
        names = [] if schema is None else schema.arguments
        given = {a.name: a.default_value for a in names if a.has_default_value()}
        given |= dict(zip((a.name for a in names), node.args, strict=False)) | node.kwargs
        self.arguments: dict[str, Found] = {k: self.resolve(v) for k, v in given.items()}
        self._first = next(iter(a.name for a in names), "")

    def resolve(self, argument: Any) -> Found:
        """What an argument is, nodes in lists, too."""
        if isinstance(argument, fx.Node):
            return self._known[argument]
        if isinstance(argument, list | tuple):
            return [self.resolve(x) for x in argument]
        return argument

    def __getitem__(self, name: str) -> Found:
        return self.arguments.get(name)

    # -- arguments ------------------------------------------------------------------------------
    @property
    def x(self) -> Value:
        """The first argument, which must be computed from the network's input."""
        return self.value(self.arguments.get(self._first))

    def value(self, found: Found) -> Value:
        if isinstance(found, Codes):
            self.refuse(f"operator {self.kind} takes int8 as they are; only real numbers run, "
                        "after a dequantize_per_tensor")
        if not isinstance(found, Value):
            self.refuse(f"operator {self.kind} takes numbers that are stored where the network's "
                        "values are meant")
        return found

    def stored(self, name: str) -> np.ndarray | None:
        """An argument's numbers float32, None for none."""
        found = self[name]
        if isinstance(found, Value):
            self.refuse(f"{found.name.split('/')[0]} is computed, not stored: only weights that "
                        "are parameters or buffers of the module run")
        if found is None:
            return None
        if isinstance(found, Whole):
            return found.real.astype(np.float32)
        return found.detach().float().cpu().numpy()

    def steps(self, name: str, axis: int = 0) -> np.ndarray | None:
        """Of weights that are whole multiples of something: of what, for each place along the axis
        of outputs; None for real ones."""
        found = self[name]
        if not isinstance(found, Whole):
            return None
        steps = found.steps(axis)
        if steps is None or np.abs(found.whole).max(initial=0) > 255:
            self.refuse(f"operator {self.kind} has weights that are no int8 or uint8 with a scale "
                        "for each output channel; quantise them so")
        return steps

    def pair(self, name: str, default: tuple[int, int] | None = None) -> tuple[int, int]:
        """An argument of one or two numbers, as two; of one dimension, rows first of one."""
        given = self[name]
        if given is None or (isinstance(given, list) and not given):
            assert default is not None
            return default
        values = list(given) if isinstance(given, list) else [given]
        values = values * (2 // len(values))
        return int(values[0]), int(values[1])

    def axis(self, dim: int) -> int:
        """A dimension of torch's, the batch first, as an axis of the value."""
        rank = len(self.x.shape) + 1
        dim = dim + rank if dim < 0 else dim
        if dim == 0:
            self.refuse(f"operator {self.kind} works along the batch; each image must stay by "
                        "itself")
        return dim - 1

    # -- results --------------------------------------------------------------------------------
    def result_shape(self) -> Shape:
        """Shape that torch says its result has; refused if the batch is not first."""
        batch, *shape = (int(n) for n in self.node.meta["val"].shape)
        if batch != BATCH:
            self.refuse(f"operator {self.kind} gives {[batch, *shape]}: it must keep the batch "
                        "and nothing else of each image's own")
        return tuple(shape)

    def by_channel(self, found: Found, x: Value, what: str) -> np.ndarray:
        """A stored tensor or a number as float64[C], which must be the same for all of a channel's
        pixels."""
        return self.each_channel(self.numbers(found), x, what)

    @staticmethod
    def numbers(found: Found) -> np.ndarray:
        """A stored tensor or a number as float64."""
        found = found.real if isinstance(found, Whole) else found
        return torch.as_tensor(found).detach().cpu().double().numpy()
