"""The captured network: a graph of float layers, and what can be done to it before quantising."""

from dataclasses import dataclass, replace

import numpy as np

from hw.support.arguments import nearest

from .convolution import Convolution
from .edges import Edges, GraphError, Join, Output, Term
from .function import Function
from .integer import Pool
from .quantisation import Quantisation

__all__ = ["FloatGraph", "FloatLayer"]


@dataclass(frozen=True, eq=False)
class FloatLayer(Convolution):
    """One convolution or linear layer with what follows it folded in.

    Members: `weight` float32[out, in / groups, rows, columns] (a linear layer's kernel covers
    its input map), `bias` float32[out], `stride` and `dilation` (rows, columns), `padding` (top,
    left), `groups`, the shapes before, after the convolution and after pooling, `pool`, the clamp
    `low` and `high` (0 and None for ReLU, None for no clamp), `pruned`, the value `source` that it
    reads (None for the layer before), and `terms`, further convolutions that are added before the
    clamp; a `function` after the clamp and before pooling; `pad_value`, what padding reads as. Sums
    without a bias may be multiplied by `factors`, a value [8 out, 1, 1] in whose channels 4, 12 ...
    they are (`sw.graph.records`). Of a
    model that is quantised already also `given`, how its output is held, and `before`, how what the
    function takes is; where it has weights that were given as integers, their `steps` float64[out];
    then the bias is float64.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int]
    groups: int
    in_shape: tuple[int, int, int]
    conv_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    pool: Pool | None = None
    low: float | None = None
    high: float | None = None
    pruned: bool = False
    dense_macs: int = 0
    source: str | None = None
    terms: tuple[Term, ...] = ()
    dilation: tuple[int, int] = (1, 1)
    given: Quantisation | None = None
    steps: np.ndarray | None = None
    function: Function | None = None
    before: Quantisation | None = None
    factors: str | None = None
    pad_value: float = 0.0

    @property
    def sums(self) -> "FloatLayer":
        """The layer up to its clamp."""
        return replace(self, function=None, pool=None, out_shape=self.conv_shape)

    def energy(self, power: float = 1.0) -> np.ndarray:
        """Weight per channel pair, sum over the kernel of |w|^power: float64[out, in].

        Raises
        ------
        ValueError
            If the layer is grouped already.
        """
        if self.groups != 1:
            raise ValueError(f"layer {self.name}: has {self.groups} groups already and cannot be "
                             "partitioned")
        # kernel positions one by one, so that no copy of the whole weight is made
        total = np.zeros(self.weight.shape[:2])
        for ky in range(self.weight.shape[2]):
            for kx in range(self.weight.shape[3]):
                part = np.abs(self.weight[:, :, ky, kx])
                total += part if power == 1 else part ** power
        return total


@dataclass(frozen=True, eq=False, repr=False)
class FloatGraph(Edges):
    """Float layers in topological order; see `Edges` for what each one reads.

    `given` is how the input is held, of a model that is quantised already.
    """

    name: str
    layers: tuple[FloatLayer, ...]
    joins: tuple[Join, ...] = ()
    given: Quantisation | None = None
    outputs: tuple[Output, ...] = ()

    def require_real(self, step: str) -> None:
        """Raise GraphError if the model is quantised already, which a step does not take."""
        if self.given is not None:
            raise GraphError(f"network {self.name} is quantised already; {step} takes the model "
                             "from before that")

    def require_no_tables(self, step: str, remedy: str = "use quantise") -> None:
        """Raise GraphError, with what to do instead, if a layer has a function, which a step does
        not take."""
        for layer in self.layers:
            if layer.function is not None:
                raise GraphError(f"layer {layer.name}: its activation becomes a table, and what "
                                 f"that takes has a step size of its own, which {step} does not "
                                 f"know; {remedy}")

    def require_no_factors(self, step: str) -> None:
        """Raise GraphError if a layer multiplies by another value, which a step does not take."""
        for layer in self.layers:
            if layer.factors is not None:
                raise GraphError(f"layer {layer.name}: multiplies each channel by a value of the "
                                 f"network, which {step} does not take")

    def layer(self, name: str) -> FloatLayer:
        """The layer of that name; raises ValueError if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [x.name for x in self.layers]
        raise ValueError(f"layer {name!r} is not in {self.name}; its layers are "
                         + ", ".join(names) + nearest(name, names))

    def with_layers(self, layers: list[FloatLayer], name: str | None = None) -> "FloatGraph":
        return replace(self, layers=tuple(layers), name=name or self.name)
