"""One array as large as those of all instances together."""

from hw.config import Config

from .names import BIG

__all__ = ["big_array"]


def big_array(config: Config) -> Config:
    """One instance whose array has the MACs of all, its sides doubled in turn.

    Raises
    ------
    ValueError
        If there is none of at most 32x32.
    """
    rows, cols, left = config.array.rows, config.array.cols, config.instances
    while left % 2 == 0:
        rows, cols = (rows, 2 * cols) if cols <= rows else (2 * rows, cols)
        left //= 2
    if left > 1 or max(rows, cols) > 32:
        raise ValueError(f"{', '.join(BIG)}: {config.instances} arrays of {config.array.rows}x"
                         f"{config.array.cols} do not make one of at most 32x32 by doubling")
    return config.replace(instances=1, array__rows=rows, array__cols=cols, array__post_lanes=0)
