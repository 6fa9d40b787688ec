"""What of a network is in the way: everything at once, by operator."""

import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import fx

from hw.config import Config
from sw.compiler import CompileError
from sw.compiler.compile import lower
from sw.frontend import moving as torch_moving
from sw.frontend import operators as torch_operators
from sw.frontend.call import BATCH, kind_of
from sw.fuse.maps import to_maps
from sw.fuse.refusals import check_conv, check_pool, check_window, refuse, steps_of
from sw.fuse.tidy import tidy
from sw.graph.integer import IntegerGraph
from sw.ir.errors import UnsupportedLayer
from sw.ir.graph import Graph, Node
from sw.ir.operators import AvgPool, Conv, MaxPool, Pad
from sw.ir.spec import Level, check
from sw.networks.naming import Kind, Origin
from sw.networks.opening import as_module, imported
from sw.onnx import moving as onnx_moving
from sw.onnx import operators as onnx_operators
from sw.onnx.model import read_model
from sw.onnx.quantised import QUANTISED

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
    """Why a network cannot be captured: operators that there is nothing for, all of them; else
    what else is refused."""
    try:
        graph = imported(origin)
    except UnsupportedLayer as error:
        faults = list(_onnx_operators(origin) if origin.kind is Kind.ONNX
                      else _torch_operators(origin))
        return grouped(faults or [_told(error)])
    return grouped(list(_rules(graph)))


def _told(error: Exception) -> _Fault:
    """A refusal's own words, by the layer that it names."""
    found = re.match(r"(layer|network) (.*?): (.*)", str(error), re.DOTALL)
    return ("rule", found[2], found[3]) if found else ("rule", "", str(error))


def _unknown(kind: str, instead: str | None) -> str:
    return "is not supported" + (f": {instead}" if instead else "")


def _onnx_operators(origin: Origin) -> Iterator[_Fault]:
    try:
        model = read_model(Path(origin.text), origin.in_shape, origin.name)
    except UnsupportedLayer:
        return
    computed = {model.input}
    for node in model.nodes:
        if not computed & set(node.input) or node.op_type == "Shape":
            continue
        computed.update(node.output)
        if not any(node.op_type in table for table in (
                onnx_operators.TABLE, onnx_moving.MOVING, QUANTISED)):
            yield node.op_type, node.name or node.output[0], _unknown(
                node.op_type, onnx_operators.INSTEAD.get(node.op_type))


def _torch_operators(origin: Origin) -> Iterator[_Fault]:
    module, shape = as_module(origin)
    example = torch.zeros(BATCH, *shape)
    program = None
    for given in (example, example.flatten(1), example.flatten(2)):
        try:
            with torch.no_grad():
                program = torch.export.export(module.eval(), (given,), strict=False)
            break
        except Exception:
            continue
    if program is None:
        return
    images = set(program.graph_signature.user_inputs)
    computed = {node for node in program.graph.nodes if node.name in images}
    for node in program.graph.nodes:
        if node.op != "call_function" or not computed & set(node.all_input_nodes):
            continue
        computed.add(node)
        name = kind_of(node).split(".")[0]
        known = name.rstrip("_")
        if node.target is operator.getitem or name.startswith("_assert") or \
                known in torch_operators.TABLE or known in torch_moving.MOVING:
            continue
        yield known, _path(node), _unknown(known, torch_operators.INSTEAD.get(known))


def _path(node: fx.Node) -> str:
    paths = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values() if path]
    return (paths[-1] if paths else node.name).removeprefix("L['self'].") or node.name


def _rules(graph: Graph) -> Iterator[_Fault]:
    """Nodes that no layer can do as they are."""
    try:
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
        check_window(node, op, maps.values[node.inputs[0]].shape)
        steps_of(node, op.stride, shape)
    elif isinstance(op, Pad) and op.value != 0:
        refuse(node, f"pads with {op.value:g}; only zeros run")


def layer_obstacles(graph: IntegerGraph, config: Config, first: CompileError) -> list[Obstacle]:
    """Layers that do not fit an accelerator, each looked at by itself; `first` is what the compiler
    said of the network."""
    faults = [_layer_fault(first)]
    for layer in graph.layers:
        alone = IntegerGraph(layer.name, (replace(layer, source=None, terms=()),), 1.0, 1.0)
        try:
            lower(alone, config, quick=True)
        except CompileError as error:
            faults.append(_layer_fault(error))
    return grouped(list(dict.fromkeys(faults)))


def _layer_fault(error: CompileError) -> _Fault:
    return type(error).__name__, error.layer, str(error).removeprefix(f"layer {error.layer}: ")
