"""What nothing else beats."""

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["pareto"]

T = TypeVar("T")


def pareto(items: Sequence[T], key: Callable[[T], tuple]) -> list[T]:
    """Items for which no other is at most as large in every number of its key, and less in one."""
    keys = [key(x) for x in items]
    return [x for x, mine in zip(items, keys, strict=True) if not any(
        k != mine and all(a <= b for a, b in zip(k, mine, strict=True)) for k in keys)]
