"""Which layer reads what: the values of a network of layers, float or integer, by name.

A value is the network's input (`INPUT`), a layer's output (by the layer's name) or a join of
layers' outputs (by the join's). Layers stand in topological order; a layer that names no source
reads the one before it, so a chain names none. The output is the last layer's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hw.support.arguments import nearest
from hw.support.tabular import Tabular

from .convolution import Convolution
from .joins import GraphError, Join, joined_shape
from .records import RECORD
from .rows import layer_rows

__all__ = ["INPUT", "BranchError", "Edges", "GraphError", "Join", "Output", "Term"]

#: The name of the value that a network is given.
INPUT = "<input>"

_Shape = tuple[int, int, int]


class BranchError(GraphError):
    """A graph where a chain is needed; the message names the step and the first layer with a
    branch."""


@dataclass(frozen=True)
class Output:
    """One of several values that a network gives.

    Members: `name`, by which its user knows it; the `layer` whose output it is; of integers what
    they mean, (value - zero_point) * scale.
    """

    name: str
    layer: str
    scale: float = 1.0
    zero_point: int = 0


@dataclass(frozen=True, eq=False)
class Term(Convolution):
    """A further convolution whose sums go into a layer's accumulators, before its bias.

    Members: `source`, the value that it reads, and `weight` [out, in / groups, rows, columns],
    `stride`, `padding` (top, left), `groups`, the shapes, `dilation` and `pad_value` as of a layer;
    `conv_shape` is that of the layer.
    """

    source: str
    weight: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int]
    groups: int
    in_shape: _Shape
    conv_shape: _Shape
    dilation: tuple[int, int] = (1, 1)
    pad_value: float = 0


class Edges(Tabular):
    """A network's layers as a graph; `layers` have `source`, `terms` and `factors`. Of several
    `outputs` the first is the last layer's; of one there are none named."""

    name: str
    layers: tuple[Any, ...]
    joins: tuple[Join, ...]
    outputs: tuple[Output, ...]

    def table(self) -> list[dict[str, Any]]:
        """A row for each layer."""
        return layer_rows(self)

    @property
    def in_shape(self) -> _Shape:
        return self.layers[0].in_shape

    @property
    def out_shape(self) -> _Shape:
        return self.layers[-1].out_shape

    @property
    def output(self) -> str:
        """The value that the network gives."""
        return self.layers[-1].name

    @cached_property
    def ends(self) -> frozenset[str]:
        """The layers whose outputs the network gives."""
        return frozenset((self.output, *(x.layer for x in self.outputs)))

    @property
    def is_chain(self) -> bool:
        """Each layer reads the one before it and nothing else."""
        return self._branch is None

    @property
    def _branch(self) -> int | None:
        """The first layer that reads anything but the one before it."""
        return next((k for k in range(len(self.layers))
                     if self.inputs(k) != (self.layers[k - 1].name if k else INPUT,)), None)

    def require_chain(self, step: str) -> None:
        """Raise BranchError unless it is a chain, which is all that a step takes."""
        if (k := self._branch) is not None:
            raise BranchError(f"layer {self.layers[k].name}: reads {' and '.join(self.inputs(k))};"
                              f" {step} takes chains only, whose layers read the one before them")

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Layer's name -> its place in `layers`."""
        return {layer.name: k for k, layer in enumerate(self.layers)}

    @cached_property
    def _joins(self) -> dict[str, Join]:
        return {join.name: join for join in self.joins}

    def source(self, k: int) -> str:
        """The value that layer k's own convolution reads."""
        named = self.layers[k].source
        if named is not None:
            return named
        return self.layers[k - 1].name if k else INPUT

    def sources(self, k: int) -> tuple[str, ...]:
        """The values that layer k reads: its own convolution's, then each term's."""
        return (self.source(k), *(term.source for term in self.layers[k].terms))

    def inputs(self, k: int) -> tuple[str, ...]:
        """All values that layer k reads: `sources`, and its factors if it has some."""
        factors = self.layers[k].factors
        return self.sources(k) if factors is None else (*self.sources(k), factors)

    @cached_property
    def recorded(self) -> frozenset[str]:
        """The layers that give others' factors."""
        return frozenset(x.factors for x in self.layers if x.factors is not None)

    def parts(self, value: str) -> tuple[str, ...]:
        """What holds a value's channels, in order: a join's sources, else the value itself."""
        join = self._joins.get(value)
        return (value,) if join is None else join.sources

    def holder(self, value: str) -> str:
        """The layer, or `INPUT`, as whose output a value is held: a join's parts are held alike."""
        return self.parts(value)[0]

    def by(self, value: str) -> tuple[int, int]:
        """How many rows and columns of a value its parts have in turn; (1, 1) but of a join that
        interleaves."""
        join = self._joins.get(value)
        return (1, 1) if join is None else join.by

    def tiled(self, value: str) -> bool:
        """Whether a value's parts are tiles beside each other."""
        join = self._joins.get(value)
        return join is not None and join.tiled

    def readers(self, value: str) -> tuple[int, ...]:
        """The layers that read a value, by itself or as a part of a join."""
        return self._readers.get(value, ())

    def is_read_after(self, value: str, k: int) -> bool:
        """Whether a layer after layer k reads a value."""
        return max(self.readers(value), default=-1) > k

    @cached_property
    def _readers(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, dict[int, None]] = {}
        for k in range(len(self.layers)):
            for source in self.inputs(k):
                for value in (source, *self.parts(source)):
                    found.setdefault(value, {})[k] = None
        return {value: tuple(layers) for value, layers in found.items()}

    def value_shape(self, value: str) -> _Shape:
        """Shape [C, H, W] of a value.

        Raises
        ------
        GraphError
            If there is none of the name, or a join's parts do not match.
        """
        if value == INPUT:
            return self.in_shape
        if value in self.numbers:
            return self.layers[self.numbers[value]].out_shape
        if value not in self._joins:
            known = [*self.numbers, *self._joins]
            raise GraphError(f"{value!r} is no value of {self.name}{nearest(value, known)}")
        return joined_shape(self._joins[value],
                            [self.value_shape(part) for part in self.parts(value)])

    # -- rules -------------------------------------------------------------------------------
    def check_edges(self) -> None:
        """Check names, order and shapes of what is read.

        Raises
        ------
        GraphError
            Naming the layer or the join.
        """
        if not self.layers:
            raise GraphError(f"network {self.name} has no layers")
        names = [INPUT, *(x.name for x in self.layers), *(x.name for x in self.joins)]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise GraphError(f"network {self.name} has two layers or joins of the same name, "
                             f"{twice!r}")
        for join in self.joins:
            self._check_join(join)
        for k, layer in enumerate(self.layers):
            for value, shape in self._reads(k):
                self._check_read(k, layer.name, value, shape)
        self._check_outputs()
        self._check_factors()
        for value in names:
            if value not in self.ends and not self.readers(value):
                raise GraphError(f"{self._spoken(value)} of {self.name} is read by no layer")

    def _check_factors(self) -> None:
        given = [x.factors for x in self.layers if x.factors is not None]
        for name in given:
            if name not in self.numbers:
                raise GraphError(f"{name!r}, of which factors are taken, is no layer of "
                                 f"{self.name}{nearest(name, [*self.numbers])}")
            if given.count(name) > 1:
                raise GraphError(f"layer {name}: gives the factors of {given.count(name)} layers; "
                                 "it can give those of one")
            if name in self.ends or any(name in self.sources(k) for k in self.readers(name)) \
                    or any(name in join.sources for join in self.joins):
                raise GraphError(f"layer {name}: gives another's factors; nothing else can read it")

    def _check_outputs(self) -> None:
        if not self.outputs:
            return
        names = [x.name for x in self.outputs]
        if len({*names}) != len(names):
            raise GraphError(f"network {self.name} has two outputs of the same name: "
                             f"{', '.join(names)}")
        for output in self.outputs:
            if output.layer not in self.numbers:
                raise GraphError(f"output {output.name} of {self.name}: there is no layer "
                                 f"{output.layer!r}{nearest(output.layer, [*self.numbers])}")
        if self.outputs[0].layer != self.output:
            raise GraphError(f"output {names[0]} of {self.name}: is the first, and must be that of "
                             f"the last layer, {self.output}, not of {self.outputs[0].layer}")

    def _reads(self, k: int) -> Iterator[tuple[str, _Shape]]:
        """Values that layer k reads, with the shapes that it takes them for."""
        layer = self.layers[k]
        yield self.source(k), layer.in_shape
        yield from ((term.source, term.in_shape) for term in layer.terms)
        if layer.factors is not None:
            yield layer.factors, (RECORD * layer.conv_shape[0], 1, 1)

    def _check_join(self, join: Join) -> None:
        join.check()
        for part in join.sources:
            if part in self._joins:
                raise GraphError(f"join {join.name}: its part {part} is a join, too; name that "
                                 "one's parts")
            if part == INPUT:
                raise GraphError(f"join {join.name}: its part is the network's input; let a layer "
                                 "copy that")

    def _check_read(self, k: int, name: str, value: str, shape: _Shape) -> None:
        try:
            given = self.value_shape(value)
        except GraphError as error:
            raise GraphError(f"layer {name}: reads {value!r}: {error}") from None
        for part in self.parts(value):
            if self.numbers.get(part, -1) >= k:
                raise GraphError(f"layer {name}: reads {part}, which does not come before it")
        if tuple(given) != tuple(shape):
            raise GraphError(f"layer {name}: takes {shape}; {self._spoken(value)} gives {given}")

    def _spoken(self, value: str) -> str:
        if value == INPUT:
            return "the input"
        return f"{'join' if value in self._joins else 'layer'} {value}"
