"""A small network of every kind of branch, as people write them."""

from sw.graph.integer import IntegerGraph

from .recipes import Recipe

__all__ = ["residual_network"]

_SAME = "kernel_h=3 kernel_w=3 pad_top=1 pad_left=1"


def residual_network(seed: int, side: int = 12, width: int = 16) -> IntegerGraph:
    """A stem, a residual block of two taps, one with a strided projection, two branches that are
    joined, a pool over the whole map and a classifier.

    Parameters
    ----------
    side : even, rows and columns of the input
    width : channels of the first block
    """
    half = side // 2
    return Recipe.parse(" ".join((
        f"2x4x4 seed={seed} channels=3 rows={side} columns={side}",
        f"conv {_SAME} out={width}",
        f"conv {_SAME} out={width}",
        f"conv {_SAME} out={width} plus groups={width} back=1 plus groups={width} back=1",
        f"conv {_SAME} stride=2 out={2 * width}",
        f"conv {_SAME} out={2 * width} plus stride=2 back=1",
        f"conv out={width}",
        f"conv out={width + 2}",
        f"conv {_SAME} out={width} back=1",
        "join a=1 b=0",
        f"conv kernel_h={half} kernel_w={half} groups={2 * width + 2} out={2 * width + 2}",
        "fc out=10"))).graph
