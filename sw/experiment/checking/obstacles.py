"""What of a network is in the way: everything at once, by operator."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hw.config import Config
from sw.compiler import CompileError
from sw.compiler.compile import lower
from sw.fuse.maps import to_maps
from sw.fuse.refusals import (
    check_conv,
    check_pad,
    check_pool,
    check_window,
    factored,
    steps_of,
)
from sw.fuse.tidy import tidy
from sw.graph.integer import IntegerGraph
from sw.ir.errors import CaptureNotice, ImageShapeError, UnreadableModel, UnsupportedLayer
from sw.ir.graph import Graph, Node
from sw.ir.operators import AvgPool, Conv, MaxPool, Pad, Product
from sw.ir.spec import Level, check
from sw.networks.naming import Origin
from sw.networks.opening import imported

__all__ = ["Obstacle", "import_obstacles", "layer_obstacles"]


@dataclass(frozen=True)
class Obstacle:
    """Nodes that cannot run for one reason: their `operator`, or a word for the rule that they
    break, `why`, and the `nodes` by name."""

    operator: str
    why: str
    nodes: tuple[str, ...]


#: An operator, a node's name, and why it does not run.
_Fault = tuple[str, str, str]


def grouped(faults: Sequence[_Fault]) -> list[Obstacle]:
    """Faults of one operator and one reason together."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for kind, name, why in faults:
        found.setdefault((kind, why), {})[name] = None
    return [Obstacle(kind, why, tuple(names)) for (kind, why), names in found.items()]


def import_obstacles(origin: Origin) -> list[Obstacle]:
    """Why a network cannot be captured, all of it: nodes that are refused as it is read; if there
    are none, those that no layer can do.

    Raises
    ------
    ImageShapeError
        If it does not take images of the shape that is given, or none is.
    UnreadableModel
    """
    try:
        graph = imported(origin)
    except (ImageShapeError, UnreadableModel):
        raise  # which is no fault of a network's
    except UnsupportedLayer as error:
        return grouped([_told(x) for x in (error, *error.others)])
    return grouped(list(_rules(graph)))


def _told(error: UnsupportedLayer) -> _Fault:
    """A refusal's own words, by the layer and the operator that it names."""
    found = re.match(r"(?:layer|network) (.*?): (.*)", str(error), re.DOTALL)
    name, why = (found[1], found[2]) if found else ("", str(error))
    unknown = re.match(r"operator (\w+)\S* (is not supported.*|chooses scales.*)", why, re.DOTALL)
    return (unknown[1], name, unknown[2]) if unknown else ("rule", name, why)


def _rules(graph: Graph) -> Iterator[_Fault]:
    """Nodes that no layer can do as they are."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CaptureNotice)  # `opened` has them
            maps = tidy(to_maps(check(graph, Level.IMPORTED)))
    except UnsupportedLayer as error:
        yield _told(error)
        return
    for node in maps.nodes:
        try:
            _check_rule(maps, node)
        except UnsupportedLayer as error:
            _, name, why = _told(error)
            yield type(node.op).__name__, name, why


def _check_rule(maps: Graph, node: Node) -> None:
    op, shape = node.op, maps.values[node.output].shape
    if isinstance(op, Conv):
        check_conv(node, op)
        steps_of(node, op.stride, shape)
    elif isinstance(op, MaxPool):
        check_pool(node, op, shape)
    elif isinstance(op, AvgPool):
        check_window(node, op)
        steps_of(node, op.stride, shape)
    elif isinstance(op, Pad):
        check_pad(node, op)
    elif isinstance(op, Product):
        factored(node, {name: v.shape for name, v in maps.values.items()})


def layer_obstacles(graph: IntegerGraph, config: Config, first: CompileError) -> list[Obstacle]:
    """Layers that do not fit an accelerator, each looked at by itself; `first` is what the compiler
    said of the network."""
    faults = [_layer_fault(first)]
    for layer in graph.layers:
        layer = replace(layer, source=None, terms=(), factors=None)
        alone = IntegerGraph(layer.name, (layer,), 1.0, 1.0)
        try:
            lower(alone, config, quick=True)
        except CompileError as error:
            faults.append(_layer_fault(error))
    return grouped(list(dict.fromkeys(faults)))


def _layer_fault(error: CompileError) -> _Fault:
    return type(error).__name__, error.layer, error.why
