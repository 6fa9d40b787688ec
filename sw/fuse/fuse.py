"""The passes from an imported network to layers, in order."""

from sw.graph.floating import FloatGraph
from sw.ir.graph import Graph
from sw.ir.spec import Level, check

from .layers import to_layers
from .maps import to_maps
from .tidy import tidy

__all__ = ["fuse", "trace"]


def fuse(graph: Graph) -> FloatGraph:
    """Return an imported network's layers.

    Raises
    ------
    UnsupportedLayer
        Naming the first node that has no layer, and why.
    """
    return trace(graph)[0]


def trace(graph: Graph) -> tuple[FloatGraph, dict[str, str]]:
    """Return the layers, and for each by its name the imported value that it gives, where it is
    one."""
    return to_layers(tidy(to_maps(check(graph, Level.IMPORTED))))
