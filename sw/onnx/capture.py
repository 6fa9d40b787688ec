"""Captures an ONNX file: as a graph of operators, then of layers.

`operators.py`, `larger.py`, `moving.py` and `quantised.py` have what is supported, by ONNX's
names. What comes of stored numbers and shapes alone is computed at once, by the reference that
comes with `onnx`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from sw.fuse.fuse import fuse
from sw.graph.floating import FloatGraph
from sw.ir.errors import UnsupportedLayer
from sw.ir.graph import Graph, Node, Value
from sw.ir.held import Codes, Whole
from sw.ir.refusals import Refusals

from .call import Call, Found
from .larger import LARGER
from .model import Model, read_model
from .moving import MOVING
from .operators import INSTEAD, TABLE
from .quantised import DOMAIN, QUANTISED, dequantise_stored
from .standins import stand_ins

__all__ = ["capture_onnx", "import_onnx", "read_onnx"]

#: Operators that a tensor of int8 may go through as it is.
_ON_CODES = {"MaxPool", "GlobalMaxPool", "ReduceMax", "Concat", "Identity", "Reshape", "Flatten",
             "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Gather"}
_TABLES = TABLE | MOVING | LARGER
_DRAWS = ("Random", "Multinomial", "Bernoulli")


def capture_onnx(path: str | Path, in_shape: Sequence[int] | None = None,
                 name: str | None = None) -> FloatGraph:
    """Capture an ONNX file, as float32; of one that is quantised already, its integers with it, so
    that `quantise` needs no images.

    Parameters
    ----------
    path : str or Path
        Opset 7 or later, of one input. No code of it is executed.
    in_shape : (channels, rows, columns), optional
        Where the file leaves them open.
    name : str, optional
        Of the network; the file's without it.

    Returns
    -------
    FloatGraph

    Raises
    ------
    OSError, ToolMissingError
    UnsupportedLayer
        Naming the first node and operator that cannot be run, and as `others` the rest.

    Warns
    -----
    CaptureNotice
        Of a softmax at the end, which is left to the host.
    """
    return fuse(import_onnx(path, in_shape, name))


def import_onnx(path: str | Path, in_shape: Sequence[int] | None = None,
                name: str | None = None) -> Graph:
    """Return a file's operators, level IMPORTED; parameters and errors as of `capture_onnx`."""
    return read_onnx(path, in_shape, name)[0]


def read_onnx(path: str | Path, in_shape: Sequence[int] | None = None,
              name: str | None = None) -> tuple[Graph, dict[str, str]]:
    """Return a file's operators as `import_onnx` does, and the file's tensor of each value, the one
    of int8 where there is one."""
    path = Path(path)
    model = read_model(path, in_shape, name or path.stem)
    nodes: list[Node] = []
    known: dict[str, Found] = dict(model.constants)
    known[model.input] = image = Value(model.input, model.shape)
    refusals = Refusals()
    for node in model.nodes:
        stand_in = partial(stand_ins, path, model, node)
        if any(name in known and known[name] is None for name in node.input):
            found = stand_in() or [None] * len(node.output)  # it follows from what is refused
        else:
            found = refusals.tried(partial(_call, node, known, nodes, model), stand_in)
        several = found if isinstance(found, list) else [found]
        known.update(zip(node.output, several, strict=False))
    refusals.settle()
    outputs = []
    for name in model.outputs:
        output = known.get(name)
        if isinstance(output, Codes):
            output = output.value
        if not isinstance(output, Value):
            raise UnsupportedLayer(f"network {model.name}: its output {name} does not depend on its"
                                   " input")
        outputs.append(output.name)
    tensors = {found.name: name for name, found in known.items() if isinstance(found, Value)}
    tensors |= {found.value.name: name for name, found in known.items()
                if isinstance(found, Codes)}
    graph = Graph(model.name, image, tuple(nodes), outputs[0], tuple(outputs[1:]),
                  tuple(model.outputs))
    return graph.pruned(graph.nodes), tensors


def _call(node, known: dict[str, Found], nodes: list[Node], model: Model) -> Found | list[Found]:
    call = Call(node, known, nodes, model.opset)
    if node.domain not in ("", "ai.onnx") and not (
            node.domain == DOMAIN and call.kind in QUANTISED):
        call.refuse(f"operator {node.domain}.{call.kind} is not one of ONNX itself")
    inputs = [known[x] for x in node.input if x]
    if call.kind == "Shape" and isinstance(inputs[0], Value):
        sizes = np.array([1, *inputs[0].shape], np.int64)
        return sizes[call.attribute("start", 0):call.attribute("end")]
    if not any(isinstance(x, Value | Codes) for x in inputs):
        return _stored(call, node, known, model.opset)
    if call.kind in QUANTISED:
        rounded = QUANTISED[call.kind](call)
        call.finish()
        return rounded
    if call.kind in _ON_CODES and isinstance(inputs[0], Codes):
        return _on_codes(call, inputs)
    if call.kind not in _TABLES:
        instead = INSTEAD.get(call.kind)
        call.refuse(f"operator {call.kind} is not supported"
                    + ("" if instead is None else f": {instead}"))
    found = _TABLES[call.kind](call)
    call.finish()
    return found


def _on_codes(call: Call, inputs: list[Found]) -> Found | list[Found]:
    """What numbers that are only moved or chosen from become, held as they were."""
    codes = [x for x in inputs if isinstance(x, Codes)]
    to = codes[0].to
    if any(x.to != to for x in codes):
        call.refuse(f"{call.kind} takes int8 of different scales; make them real before it")
    call.make_real()
    found = _TABLES[call.kind](call)
    call.finish()

    def held(x: Found) -> Found:
        return Codes(x, to) if isinstance(x, Value) else x

    return [held(x) for x in found] if isinstance(found, list) else held(found)


def _stored(call: Call, node, known: dict[str, Found], opset: int) -> Found | list[Found]:
    """What comes of stored numbers alone; integers with a scale stay integers."""
    first = known[node.input[0]] if node.input else None
    if call.kind == "DequantizeLinear":
        stored = dequantise_stored(call)
        call.finish()
        return stored
    if call.kind == "Transpose" and isinstance(first, Whole):
        return first.transposed(call.attribute("perm", list(range(first.whole.ndim))[::-1]))
    if call.kind == "Identity":
        return first
    return _constant(call, node, known, opset)


def _constant(call: Call, node, known: dict[str, Found], opset: int) -> list[Found]:
    """What onnx's own reference makes of stored numbers."""
    from onnx import ValueInfoProto, helper
    from onnx.reference import ReferenceEvaluator
    if call.kind.startswith(_DRAWS):
        call.refuse(f"operator {call.kind} draws random numbers; only what is the same each time "
                    "runs")
    if any(a.HasField("g") or a.graphs for a in node.attribute):
        call.refuse(f"operator {call.kind} has a graph of its own; export the model without it")
    given = {name: x.real.astype(np.float32) if isinstance(x := known[name], Whole) else x
             for name in node.input if name}
    graph = helper.make_graph([node], "constant", [ValueInfoProto(name=x) for x in given],
                              [ValueInfoProto(name=x) for x in node.output if x])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        found = iter(ReferenceEvaluator(model).run(None, given))
    except (Exception, MemoryError) as error:  # whatever a damaged file makes of it
        call.refuse(f"operator {call.kind} cannot be computed: {str(error)[:200]}")
    return [np.asarray(next(found)) if name else None for name in node.output]
