"""An ONNX file, read and checked; nothing in it is executed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hw.support.errors import ToolMissingError
from sw.ir.errors import ImageShapeError, UnreadableModel, UnsupportedLayer

if TYPE_CHECKING:
    import onnx

__all__ = ["Model", "read_model"]

#: Operators mean since then what `sw/onnx/operators.py` has.
OLDEST = 7


@dataclass(frozen=True, eq=False)
class Model:
    """A checked file.

    Members: `name`; `nodes` in topological order; `constants`, stored tensors by name; `input`
    and `outputs`, their names; `shape` of one image; `opset`.
    """

    name: str
    nodes: Sequence["onnx.NodeProto"]
    constants: dict[str, np.ndarray]
    input: str
    shape: tuple[int, ...]
    outputs: list[str]
    opset: int


def read_model(path: Path, in_shape: Sequence[int] | None, name: str) -> Model:
    """Read a file.

    Parameters
    ----------
    path : with external data beside it, if it has any
    in_shape : of one image, where the file leaves it open; otherwise it must agree
    name : of the network, for messages

    Raises
    ------
    OSError
        If it cannot be read.
    ToolMissingError
        Without the package `onnx`.
    UnsupportedLayer
        If it is damaged, or of a form that cannot run.
    """
    path.open("rb").close()  # for an error with its name
    try:
        import onnx
        from google.protobuf.message import DecodeError
        from onnx import numpy_helper
    except ImportError:
        raise ToolMissingError("onnx is missing: pip install 'partita[onnx]'") from None

    def refuse(why: str) -> UnsupportedLayer:
        return UnsupportedLayer(f"network {name}: {why}")

    try:
        proto = onnx.load(path)
        onnx.checker.check_model(proto)
        graph = proto.graph
        constants = {x.name: numpy_helper.to_array(x) for x in graph.initializer}
    except (DecodeError, onnx.checker.ValidationError, ValueError, TypeError, KeyError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UnreadableModel(f"network {name}: {path} is no ONNX model that can be read: "
                              f"{said[:300]}") from None
    opset = next((x.version for x in proto.opset_import if x.domain in ("", "ai.onnx")), 0)
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST <= opset <= newest:
        raise refuse(f"is of opset {opset}; {OLDEST} to {newest} run: convert it with "
                     "onnx.version_converter")
    if graph.sparse_initializer:
        raise refuse("has sparse weights; store them dense")
    inputs = [x for x in graph.input if x.name not in constants]
    if len(inputs) != 1 or not graph.output:
        raise refuse(f"takes {len(inputs)} inputs and gives {len(graph.output)} outputs; it must "
                     "take one image and give one result or more")
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16,
                                onnx.TensorProto.DOUBLE):
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type)
        raise refuse(f"its input {inputs[0].name} is {kind}; it must be real numbers")
    sizes = [x.dim_value if x.HasField("dim_value") else None for x in tensor.shape.dim]
    return Model(name, list(graph.node), constants, inputs[0].name,
                 _one_image(name, inputs[0].name, sizes, in_shape), [x.name for x in graph.output],
                 opset)


def _one_image(name: str, value: str, sizes: list[int | None],
               in_shape: Sequence[int] | None) -> tuple[int, ...]:
    """Shape of one image: the file's, with what it leaves open from `in_shape`."""
    def refuse(why: str, kind: type[UnsupportedLayer] = ImageShapeError) -> UnsupportedLayer:
        return kind(f"network {name}: its input {value} is {sizes}{why}")

    if len(sizes) < 2:
        raise refuse("; it must be a batch of images or of vectors", UnsupportedLayer)
    batch, *rest = sizes
    if batch not in (None, -1, 0, 1):  # some write -1 for what is open
        raise refuse(f", for batches of {batch}; export it for one image, or leave the batch open",
                     UnsupportedLayer)
    if in_shape is None:
        known = [n for n in rest if n is not None and n > 0]
        if len(known) != len(rest):
            raise refuse("; give in_shape (--input-shape), the sizes of one image")
        return tuple(known)
    given = tuple(int(n) for n in in_shape)
    if given[len(rest):] == (1,) * (len(given) - len(rest)):
        given = given[:len(rest)]  # (features, 1, 1) of vectors
    if len(rest) == 2 and len(given) == 3 and given[1] == 1:
        given = given[0], given[2]  # (channels, 1, length) of rows
    if len(given) != len(rest) or min(given) < 1 or any(
            n is not None and n > 0 and n != g for n, g in zip(rest, given, strict=True)):
        raise refuse(f"; in_shape (--input-shape) is {list(in_shape)}: leave it out, or give what "
                     "the file leaves open")
    return given
