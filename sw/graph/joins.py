"""Values that are made of others, with nothing computed: channels, pixels or tiles together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

__all__ = ["GraphError", "Join", "corners", "joined_shape"]

_Shape = tuple[int, int, int]


class GraphError(ValueError):
    """A network that breaks a rule; the message names the layer."""


@dataclass(frozen=True)
class Join:
    """A value made of others' channels, one after the other, or of others' pixels in turn; nothing
    is computed.

    Members: `name`, and `sources`: names of layers, all at one scale; no joins, and not the input.
    With `by` (rows, columns) other than (1, 1) pixels are interleaved: of each `by[0]` rows and
    `by[1]` columns source i * by[1] + j, which may be named several times, has row i, column j.
    If it is `tiled` they lie beside each other instead: source i * by[1] + j is in row i, column j
    of tiles that may differ in size.
    """

    name: str
    sources: tuple[str, ...]
    by: tuple[int, int] = (1, 1)
    tiled: bool = False

    def check(self) -> None:
        """Raise GraphError unless it has as many parts as it says."""
        if not self.sources:
            raise GraphError(f"join {self.name}: has no parts")
        if self.by != (1, 1) and (min(self.by) < 1 or math.prod(self.by) != len(self.sources)):
            raise GraphError(f"join {self.name}: has {len(self.sources)} parts for {self.by[0]} "
                             f"rows and {self.by[1]} columns "
                             + ("of tiles" if self.tiled else "in turn"))


def joined_shape(join: Join, shapes: Sequence[_Shape]) -> _Shape:
    """Shape [C, H, W] of a join whose parts are of some shapes.

    Raises
    ------
    GraphError
        If they do not match.
    """
    if join.by != (1, 1):
        return (_tiled if join.tiled else _interleaved)(join.name, shapes, join.by)
    if len({shape[1:] for shape in shapes}) != 1:
        raise GraphError(f"join {join.name}: its parts are {', '.join(map(str, shapes))}; rows and "
                         "columns must be the same")
    return sum(shape[0] for shape in shapes), *shapes[0][1:]


def _interleaved(join: str, shapes: Sequence[_Shape], by: tuple[int, int]) -> _Shape:
    """Shape of a value whose pixels are those of maps in turn."""
    columns = by[1]
    whole = (shapes[0][0], sum(x[1] for x in shapes[::columns]),
             sum(x[2] for x in shapes[:columns]))
    wanted = [(whole[0], -(-(whole[1] - k // columns) // by[0]),
               -(-(whole[2] - k % columns) // columns)) for k in range(len(shapes))]
    if [tuple(x) for x in shapes] != wanted:
        raise GraphError(f"join {join}: its parts are {', '.join(map(str, shapes))}; in turn, {by} "
                         "of them, they make no map")
    return whole


def _tiled(join: str, shapes: Sequence[_Shape], by: tuple[int, int]) -> _Shape:
    """Shape of a value of maps beside each other."""
    high, wide = shapes[::by[1]], shapes[:by[1]]
    if any(tuple(x) != (shapes[0][0], high[k // by[1]][1], wide[k % by[1]][2])
           for k, x in enumerate(shapes)):
        raise GraphError(f"join {join}: its parts are {', '.join(map(str, shapes))}; beside each "
                         f"other, in {by[0]} rows and {by[1]} columns, they make no map")
    return shapes[0][0], sum(x[1] for x in high), sum(x[2] for x in wide)


def corners(shapes: Sequence[_Shape], by: tuple[int, int]) -> list[tuple[int, int]]:
    """The first row and column of each of several tiles."""
    rows = list(accumulate((x[1] for x in shapes[::by[1]]), initial=0))
    columns = list(accumulate((x[2] for x in shapes[:by[1]]), initial=0))
    return [(rows[k // by[1]], columns[k % by[1]]) for k in range(len(shapes))]
