"""What a result has only where it was asked for."""

from typing import TypeVar

import numpy as np

__all__ = ["present", "same"]

_T = TypeVar("_T")


def present(value: _T | None) -> _T:
    """The value, which is there."""
    assert value is not None
    return value


def same(ours: np.ndarray | None, theirs: np.ndarray | None) -> bool:
    """Whether both are there, and equal."""
    return ours is not None and theirs is not None and np.array_equal(ours, theirs)
