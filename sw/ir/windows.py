"""Pooling by windows of several sizes: pools of equal windows, beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .building import Builder
from .graph import Value
from .operators import AvgPool, MaxPool, Mosaic, steps

__all__ = ["Window", "adaptive", "averaged", "pooled"]

#: The first position that a window has along an axis, and the one past its last.
Window = tuple[int, int]


def adaptive(size: int, count: int) -> list[Window]:
    """So many windows that share out an axis, overlapping where they do not divide it."""
    return [(k * size // count, -(-(k + 1) * size // count)) for k in range(count)]


def averaged(size: int, kernel: int, stride: int, before: int, after: int, *, ceil: bool,
             count_padding: bool) -> list[Window]:
    """What an average pool divides by along an axis: all of a window that is in the map and its
    padding, or in the map alone."""
    firsts = [k * stride - before for k in range(
        steps(size + before + after, kernel, stride, ceil=ceil, before=before))]
    low, high = (-before, size + after) if count_padding else (0, size)
    return [(max(low, first), min(high, first + kernel)) for first in firsts]


@dataclass(frozen=True)
class _Run:
    """Windows of an axis that are of one size and equally far apart: a pool's `kernel` and `stride`
    there, with what lies `before` the map and `after` it, below 0 what is left out."""

    kernel: int
    stride: int
    before: int
    after: int


def pooled(builder: Builder, x: Value, kind: type[MaxPool] | type[AvgPool],
           rows: Sequence[Window], columns: Sequence[Window]) -> Value:
    """Add a pool of a map by windows along its rows and columns; each at least one position."""
    for windows in (rows, columns):
        if not windows or any(first >= past for first, past in windows):
            builder.refuse(f"pools {list(x.shape[1:])} by windows that hold nothing of it")
    made: dict[tuple[_Run, _Run], Value] = {}

    def of(high: _Run, wide: _Run) -> Value:
        if (high, wide) not in made:
            op = kind((high.kernel, wide.kernel), (high.stride, wide.stride),
                      (high.before, wide.before, high.after, wide.after))
            same = op.kernel == op.stride == (1, 1) and not any(op.padding)
            made[high, wide] = x if same else builder.add(op, x)
        return made[high, wide]

    over = _runs(rows, x.shape[1]), _runs(columns, x.shape[2])
    parts = [of(high, wide) for high in over[0] for wide in over[1]]
    return parts[0] if len(parts) == 1 else \
        builder.add(Mosaic((len(over[0]), len(over[1]))), *parts)


def _runs(windows: Sequence[Window], size: int) -> list[_Run]:
    """As few runs as go on for as long as they can."""
    found: list[list[Window]] = []
    for window in windows:
        if found and _goes_on([*found[-1], window]):
            found[-1].append(window)
        else:
            found.append([window])
    runs = []
    for run in found:
        (first, past), count = run[0], len(run)
        step = run[1][0] - first if count > 1 else past - first
        runs.append(_Run(past - first, step, -first, run[-1][1] - size))
    return runs


def _goes_on(run: Sequence[Window]) -> bool:
    apart = {b - a for (a, _), (b, _) in pairwise(run)}
    return len({past - first for first, past in run}) == 1 and len(apart) == 1 and min(apart) > 0
