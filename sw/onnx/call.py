"""One node of an ONNX file, as what imports an operator sees it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sw.ir.building import Builder
from sw.ir.graph import Node, Value
from sw.ir.held import Codes, Whole

if TYPE_CHECKING:
    import onnx

__all__ = ["Call", "Found"]

#: What a name stands for: a value of the network, stored numbers, either quantised, or nothing.
Found = Value | np.ndarray | Codes | Whole | None


class Call(Builder):
    """A node's inputs and attributes. What is never asked for is refused at the end (`finish`):
    no attribute is ignored.

    Parameters
    ----------
    node : the node
    known : what the names before it stand for
    nodes : nodes of the imported graph, which grow
    opset : version of the operators' meaning
    """

    def __init__(self, node: "onnx.NodeProto", known: Mapping[str, Found], nodes: list[Node],
                 opset: int):
        from onnx import helper
        super().__init__(node.name or node.output[0], node.output[0], nodes)
        self.kind, self.opset, self.outputs = node.op_type, opset, list(node.output)
        self._inputs: list[Found] = [known[x] if x else None for x in node.input]
        self._attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        self._asked = [False] * len(self._inputs)

    def replace(self, inputs: list[Found], kind: str | None = None) -> None:
        """Go on with other inputs, all of the former having been asked for, as another kind."""
        self._refuse_unasked()
        self.kind, self._inputs = kind or self.kind, inputs
        self._asked = [False] * len(inputs)

    def make_real(self) -> None:
        """Go on with the real numbers that inputs of int8 mean."""
        self._inputs = [x.value if isinstance(x, Codes) else x for x in self._inputs]

    # -- attributes -----------------------------------------------------------------------------
    def attribute(self, name: str, default: Any = None) -> Any:
        found = self._attributes.pop(name, default)
        return found.decode() if isinstance(found, bytes) else found

    def expect(self, **wanted: Any) -> None:
        """Refuse attributes with other values than those that run."""
        for name, value in wanted.items():
            found = self.attribute(name, value)
            if found != value and (not isinstance(found, list) or set(found) != {value}):
                self.refuse(f"{self.kind} with {name} = {found} is not supported; {value} is")

    def finish(self) -> None:
        """Refuse what has been left aside."""
        for name, value in self._attributes.items():
            self.refuse(f"{self.kind} with {name} = {str(value)[:60]} is not supported")
        self._refuse_unasked()

    def _refuse_unasked(self) -> None:
        for k, asked in enumerate(self._asked):
            if not asked and self._inputs[k] is not None:
                self.refuse(f"{self.kind} with input {k} is not supported")

    # -- inputs ---------------------------------------------------------------------------------
    @property
    def count(self) -> int:
        return len(self._inputs)

    def input(self, k: int) -> Value | np.ndarray | Codes | None:
        """An input; stored integers with a scale as the real numbers that they mean."""
        found = self._input(k)
        return found.real if isinstance(found, Whole) else found

    def _input(self, k: int) -> Found:
        if k >= len(self._inputs):
            return None
        self._asked[k] = True
        return self._inputs[k]

    def value(self, k: int) -> Value:
        found = self.input(k)
        if isinstance(found, Codes):
            self.refuse(f"{self.kind} takes int8 as they are; only real numbers run, after a "
                        "DequantizeLinear")
        if not isinstance(found, Value):
            self.refuse(f"{self.kind} takes stored numbers where the network's values are meant")
        return found

    @property
    def x(self) -> Value:
        return self.value(0)

    def stored(self, k: int) -> np.ndarray | None:
        """An input's numbers, None for none."""
        found = self.input(k)
        if isinstance(found, Value | Codes):
            self.refuse(f"{self.kind}: input {k} is computed, not stored; only stored ones run")
        return found

    def steps(self, k: int, axis: int) -> np.ndarray | None:
        """Of weights that are whole multiples of something: of what, for each place along the axis
        of outputs; None for real ones."""
        found = self._input(k)
        if not isinstance(found, Whole):
            return None
        steps = found.steps(axis)
        if steps is None:
            self.refuse(f"{self.kind}: input {k} has a scale for each place along axis "
                        f"{found.axis}; only for each output channel, axis {axis}, it runs")
        if np.abs(found.whole).max(initial=0) > 255:
            self.refuse(f"{self.kind}: input {k} less its zero point is from {found.whole.min()} "
                        f"to {found.whole.max()}; quantise weights to int8 or uint8")
        return steps

    def weight(self, k: int) -> np.ndarray:
        found = self.stored(k)
        if found is None:
            self.refuse(f"{self.kind} lacks its input {k}")
        if found.dtype.kind != "f":
            self.refuse(f"{self.kind}: input {k} is {found.dtype}; only real numbers run: give the "
                        "weights behind a DequantizeLinear, or the model from before its "
                        "quantisation")
        if not np.isfinite(found).all():
            self.refuse(f"{self.kind}: input {k} holds NaN or infinity")
        return np.array(found, np.float32)

    def bias(self, k: int) -> np.ndarray | None:
        """An input's numbers for each output: float64 of integers, None for none."""
        found = self._input(k)
        if isinstance(found, Whole):
            return found.real
        return None if found is None else self.weight(k)

    def integers(self, name: str, k: int) -> list[int] | None:
        """An attribute of early versions that is an input of later ones."""
        found = self.attribute(name)
        if found is None and (stored := self.stored(k)) is not None:
            found = [int(n) for n in np.ravel(stored)]
        return None if found is None else [int(n) for n in np.ravel(found)]

    # -- shapes ---------------------------------------------------------------------------------
    def axis(self, dim: int, rank: int | None = None) -> int:
        """A dimension of ONNX's, the batch first, as an axis of the value."""
        rank = len(self.x.shape) + 1 if rank is None else rank
        if not -rank <= dim < rank:
            self.refuse(f"{self.kind} along dimension {dim} of {rank}")
        if dim % rank == 0:
            self.refuse(f"{self.kind} works along the batch; each image must stay by itself")
        return dim % rank - 1

    def to_shape(self, x: Value, sizes: list[int]) -> Value:
        """The value in another shape, the batch of one first."""
        if len(sizes) < 2 or sizes[0] != 1 or math.prod(sizes) != math.prod(x.shape):
            self.refuse(f"{self.kind} gives {sizes} of {[1, *x.shape]}: it must keep the batch and "
                        "nothing else of each image's own")
        return self.reshape(x, *sizes[1:])

    def by_channel(self, found: Found, x: Value, what: str) -> np.ndarray:
        assert isinstance(found, np.ndarray)
        return self.each_channel(found, x, what)
