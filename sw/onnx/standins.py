"""What a node that is refused would give, so that the nodes after it can be looked at."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sw.ir.graph import Value

from .model import Model

if TYPE_CHECKING:
    import onnx

__all__ = ["stand_ins"]

_Shape = tuple[int, ...]


def stand_ins(path: Path, model: Model, node: "onnx.NodeProto") -> list[Value | None] | None:
    """Values of the shapes that ONNX infers for a node's results; None where it infers none."""
    shapes = _shapes(path, model.input, model.shape)
    found = [Value(name, shapes[name]) if name in shapes else None for name in node.output]
    return found if found and found[0] is not None else None


@lru_cache(maxsize=1)
def _shapes(path: Path, image: str, shape: _Shape) -> dict[str, _Shape]:
    """Every value's shape without its batch, of a file that takes one image of a shape."""
    import onnx
    model = onnx.load(path)
    for given in model.graph.input:
        if given.name == image:
            for dim, size in zip(given.type.tensor_type.shape.dim, (1, *shape), strict=False):
                dim.dim_value = size
    try:
        inferred = onnx.shape_inference.infer_shapes(model)
    except Exception:  # of whatever is wrong with the file
        return {}
    found = {}
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(sizes) > 1 and all(sizes):
            found[value.name] = tuple(sizes[1:])
    return found
