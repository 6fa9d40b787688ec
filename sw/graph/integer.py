"""The integer network: what the compiler maps and the golden model computes."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .convolution import Convolution, weight_sums
from .edges import INPUT, Edges, GraphError, Join, Output, Term
from .image import real_image
from .pool import Pool
from .quantisation import Quantisation
from .records import at_rest, parameters_in, wrong_records

__all__ = ["INPUT", "GraphError", "IntegerGraph", "Join", "Layer", "Output", "Pool", "Term"]

_INT32 = 1 << 31


@dataclass(frozen=True, eq=False)
class Layer(Convolution):
    """One convolution (a linear layer is one whose kernel covers its input map), or the sum of
    several: acc = conv(source) + conv(terms' sources).

    Parameters
    ----------
    name : str
        Of the layer and of the value that it gives.
    weight : int8[out, in / groups, kernel rows, kernel columns]
    bias : int32[out]
    mult, shift : uint16[out], uint8[out]
        Requantisation of each output channel: (acc + bias) * mult, shifted right by 0 to 47
        with halves rounded up, plus `offset`.
    low, high : int
        Clamp of the output; low is 0 for ReLU.
    stride : (rows, columns) between neighbouring outputs
    padding : (top, left) of the input, below 0 what is left out; bottom and right follow from sizes
    groups : int
        Independent blocks; the partitions of a pruned layer.
    in_shape, conv_shape, out_shape : (channels, rows, columns)
        Before the convolution, after it, and after pooling.
    pool : Pool or None
    pruned : bool
        The layer is partition-pruned.
    dense_macs : int
        Multiply-accumulates of the unpruned layer; 0 takes those of this one.
    epsilon : int, 0 to 127
        Inputs whose magnitude is at most this count as zero.
    images : int
        Maps stacked in the rows of its input, where the compiler runs it on a batch.
    source : str or None
        The value that it reads; None for the layer before, or the network's input for the first.
    terms : tuple of Term
        Further convolutions, int8, summed into the same accumulators.
    dilation : (rows, columns) between neighbouring taps of the kernel
    pad_value : int, -128 to 127
        What padding reads as: the zero point of the input. A term has its own.
    offset : int, -128 to 127
        Added after the shift and before the clamp: the zero point of the output, or of what its
        tables take.
    table : int8[1 or out, 256] or None
        What each value after the clamp becomes, from -128 on; one for all channels, or one for
        each. Where pooling follows no table may fall.
    factors : str or None
        The layer whose output holds `bias`, `mult` and `shift` instead: see `sw.graph.records`.
        Then those here are 0.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    mult: np.ndarray
    shift: np.ndarray
    low: int
    high: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    groups: int
    in_shape: tuple[int, int, int]
    conv_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    pool: Pool | None = None
    pruned: bool = False
    dense_macs: int = 0
    epsilon: int = 0
    images: int = 1
    source: str | None = None
    terms: tuple[Term, ...] = ()
    dilation: tuple[int, int] = (1, 1)
    pad_value: int = 0
    offset: int = 0
    table: np.ndarray | None = None
    factors: str | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the layer as it is, with its terms; its groups counted only."""
        return self.weight_bytes * self.conv_shape[1] * self.conv_shape[2]

    @property
    def needed_macs(self) -> int:
        """Those of `macs` whose results are looked at: pooling may leave out some of a map."""
        rows, columns = (size if self.pool is None else self.pool.looks_at(axis, size)
                         for axis, size in enumerate(self.conv_shape[1:]))
        return self.weight_bytes * rows * columns

    @property
    def weight_bytes(self) -> int:
        return self.weight.size + sum(term.weight.size for term in self.terms)

    def validate(self, *, values: bool = True) -> None:
        """Check types and shapes and, if `values` are looked at, the accumulator's bound.

        Raises
        ------
        GraphError
            Naming the layer, the value and the rule.
        """
        self._check_convolution(self, "")
        for n, term in enumerate(self.terms):
            what = f"term {n} (of {term.source}): "
            self._check_convolution(term, what)
            self._need(term.conv_shape == self.conv_shape and len(term.weight) == len(self.weight),
                       f"{what}gives {term.conv_shape}; the layer sums {self.conv_shape}")
        out = len(self.weight)
        for field, dtype in (("bias", np.int32), ("mult", np.uint16), ("shift", np.uint8)):
            array = getattr(self, field)
            self._need(array.dtype == dtype and array.shape == (out,),
                       f"{field} is {array.dtype}{list(array.shape)}; it must be "
                       f"{np.dtype(dtype)}[{out}]")
        self._need(self.conv_shape[0] == out and self.out_shape[0] == out,
                   f"shapes say {self.conv_shape[0]} and {self.out_shape[0]} output channels; "
                   f"the weights have {out}")
        self._need(int(self.shift.max(initial=0)) <= 47,
                   f"shift is {int(self.shift.max(initial=0))}; it must be at most 47")
        self._need(-128 <= self.low <= self.high <= 127,
                   f"clamp is {self.low} to {self.high}; it must lie in -128 to 127")
        self._need(0 <= self.epsilon <= 127,
                   f"epsilon is {self.epsilon}; it must be from 0 to 127")
        self._need(not (self.epsilon and self.terms),
                   f"epsilon is {self.epsilon}; a layer of several terms takes none")
        self._need(-128 <= self.offset <= 127,
                   f"offset is {self.offset}; it must lie in -128 to 127")
        self._need(self.factors is None or not (self.bias.any() or self.mult.any()
                                                or self.shift.any()),
                   f"its factors are {self.factors}'s; bias, mult and shift must be 0")
        self._check_pool()
        self._check_table()
        if values:
            self._check_sums()

    def _check_convolution(self, part: Convolution, what: str) -> None:
        weight = part.weight
        self._need(weight.dtype == np.int8 and weight.ndim == 4 and weight.size > 0,
                   f"{what}weight is {weight.dtype}{list(weight.shape)}; it must be int8 "
                   "[out, in / groups, rows, columns]")
        out, per_group = weight.shape[:2]
        self._need(part.groups >= 1 and out % part.groups == 0,
                   f"{what}{out} output channels are not divisible by {part.groups} groups")
        self._need(per_group * part.groups == part.in_shape[0],
                   f"{what}weights take {per_group * part.groups} input channels; the input has "
                   f"{part.in_shape[0]}")
        for name, steps in (("stride", part.stride), ("dilation", part.dilation)):
            self._need(min(steps) >= 1, f"{what}{name} is {steps}; it must be 1 or more")
        self._need(-128 <= part.pad_value <= 127,
                   f"{what}pad_value is {part.pad_value}; it must lie in -128 to 127")

    def _check_pool(self) -> None:
        if self.pool is None:
            self._need(self.out_shape == self.conv_shape,
                       f"output {self.out_shape} differs from {self.conv_shape} without pooling")
            return
        self._need(min(*self.pool.kernel, *self.pool.stride) >= 1,
                   f"pooling is of {self.pool.kernel} in steps of {self.pool.stride}; they "
                   "must be 1 or more")
        self._need(self.pool.out == tuple(self.out_shape[1:]),
                   f"pooling gives {self.pool.out}; the output has {self.out_shape[1:]}")

    def _check_table(self) -> None:
        table = self.table
        if table is None:
            return
        self._need(table.dtype == np.int8 and table.ndim == 2 and table.shape[1] == 256
                   and len(table) in (1, len(self.weight)),
                   f"table is {table.dtype}{list(table.shape)}; it must be int8[1 or "
                   f"{len(self.weight)}, 256]")
        self._need(self.pool is None or bool((table[:, 1:] >= table[:, :-1]).all()),
                   "pools what a falling table gives; pool in a layer of its own")

    def _check_sums(self) -> None:
        worst = np.abs(self.bias.astype(np.int64))
        for part in (self, *self.terms):
            worst = worst + 128 * weight_sums(part.weight, magnitudes=True)
        self._need(int(worst.max(initial=0)) < _INT32,
                   f"channel {int(worst.argmax())} can reach {int(worst.max())}; the int32 "
                   f"accumulator holds less than {_INT32}: take coarser steps for its weights")

    def _need(self, ok: bool, message: str) -> None:
        if not ok:
            raise GraphError(f"layer {self.name}: {message}")


@dataclass(frozen=True, eq=False, repr=False)
class IntegerGraph(Edges):
    """Integer layers in topological order; see `Edges` for what each one reads.

    Parameters
    ----------
    name : str
    layers : tuple of Layer
    input_scale, output_scale : float
        Real value of one step of the int8 input and output.
    joins : tuple of Join
    input_zero, output_zero : int, -128 to 127
        What stands for 0 in them.
    held : Mapping of str to Quantisation
        What `INPUT` and each layer's output mean, by name; empty where that is not known, as of an
        artefact.
    taken : Mapping of str to Quantisation
        What the layers' tables take means, likewise.
    outputs : tuple of Output, where it gives several values
    """

    name: str
    layers: tuple[Layer, ...]
    input_scale: float
    output_scale: float
    joins: tuple[Join, ...] = ()
    input_zero: int = 0
    output_zero: int = 0
    held: Mapping[str, Quantisation] = dataclasses.field(default_factory=dict)
    taken: Mapping[str, Quantisation] = dataclasses.field(default_factory=dict)
    outputs: tuple[Output, ...] = ()

    def quantise_input(self, image: np.ndarray) -> np.ndarray:
        """Return the int8 input of a float image [C, H, W]: floor(x / scale + 0.5) + zero, clamped.

        Raises
        ------
        ValueError
            If it has another shape, or holds what is no number.
        """
        real = real_image(image, self.in_shape, self.name)
        scaled = np.floor(real.astype(np.float64) / self.input_scale + 0.5)
        return np.clip(scaled + self.input_zero, -128, 127).astype(np.int8)

    def real_output(self, output: np.ndarray) -> np.ndarray:
        """Return the real numbers float64 that an int8 output means."""
        return (np.asarray(output).astype(np.float64) - self.output_zero) * self.output_scale

    def named(self, outputs: Sequence[Any]) -> dict[str, Any]:
        """Return what the network gives by name, in its order, of all layers' outputs."""
        return {x.name: outputs[self.numbers[x.layer]] for x in self._meant}

    def real_outputs(self, outputs: Sequence[np.ndarray | None]) -> dict[str, np.ndarray]:
        """Return that as real numbers float64, of all layers' int8 outputs."""
        return {x.name: (np.asarray(self.named(outputs)[x.name], np.float64) - x.zero_point)
                * x.scale for x in self._meant}

    @property
    def _meant(self) -> tuple[Output, ...]:
        one = Output(self.output, self.output, self.output_scale, self.output_zero)
        return self.outputs or (one,)

    def validate(self, *, values: bool = True) -> None:
        """Check every layer, and that each reads what comes before it in the shape that it takes.

        `values` is as of `Layer.validate`.

        A map of [C, H, W] may enter a layer as [C, H, W] only: flattening is part of the
        next layer's kernel.

        Raises
        ------
        GraphError
        """
        if not self.layers:
            raise GraphError(f"network {self.name} has no layers")
        for what, zero in (("input", self.input_zero), ("output", self.output_zero)):
            if not -128 <= zero <= 127:
                raise GraphError(f"network {self.name}: the zero point of its {what} is {zero}; it "
                                 "must lie in -128 to 127")
        for layer in self.layers:
            layer.validate(values=values)
        self.check_edges()
        for layer in self.layers if values else ():
            if layer.factors is not None:
                giver = self.layers[self.numbers[layer.factors]]
                if wrong := wrong_records(giver):
                    raise GraphError(f"layer {layer.name}: its factors are {giver.name}'s, {wrong}")
                replace(layer, bias=parameters_in(at_rest(giver)).bias, factors=None).validate()
