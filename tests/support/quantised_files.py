"""ONNX models that onnxruntime has quantised, and single nodes of such."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sw.experiment.agreed import Agreement
from sw.experiment.agreement import compared
from sw.frontend.torch import import_torch
from sw.fuse.fuse import trace
from sw.ir.graph import Graph, Node
from sw.ir.operators import Affine, Conv, Linear
from sw.onnx.capture import read_onnx
from tests.support.networks import NETWORKS, settled
from tests.support.onnx_files import to_onnx

__all__ = ["FORMS", "agreement", "codes_model", "folded", "quantised_file"]

#: Name -> format, activations' type, and whether their zero points are 0.
FORMS: dict[str, tuple[str, str, bool]] = {
    "QDQ": ("QDQ", "QInt8", True), "QDQ with zero points": ("QDQ", "QInt8", False),
    "QDQ of uint8": ("QDQ", "QUInt8", False), "QLinear": ("QOperator", "QInt8", True),
    "QLinear of uint8": ("QOperator", "QUInt8", False),
}


def folded(graph: Graph) -> Graph:
    """Norms folded into the layers before them, as exporters do."""
    def change(node: Node) -> list[Node]:
        before = graph.producer(node.inputs[0])
        if before is None or not isinstance(node.op, Affine) or graph.uses(before.output) > 1 \
                or not isinstance(before.op, Conv | Linear):
            return [node]
        op, column = before.op, (-1,) + (1,) * (before.op.weight.ndim - 1)
        merged = replace(op, weight=op.weight * node.op.scale.reshape(column),
                         bias=op.bias * node.op.scale + node.op.offset)
        return [Node(before.name, merged, before.inputs, node.output)]
    return graph.replace(change)


def quantised_file(name: str, form: str, folder: Path) -> tuple[Path, np.ndarray]:
    """A network of `NETWORKS` in a form of `FORMS`, and images as the file takes them."""
    from onnxruntime import quantization
    make, shape = NETWORKS[name]
    graph = folded(import_torch(settled(make()), shape))
    images = np.random.default_rng(1).standard_normal((8, *graph.input.shape)).astype(np.float32)
    written, kind, symmetric = FORMS[form]

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(images)

        def get_next(self):
            image = next(self.left, None)
            return None if image is None else {"x": image[None]}

    path = folder / f"{name}.onnx"
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as place:
            real = Path(place, "real.onnx")
            onnx.save(onnx.shape_inference.infer_shapes(to_onnx(graph)), real)
            quantization.quantize_static(
                real, path, Reader(), quant_format=quantization.QuantFormat[written],
                per_channel=True, activation_type=quantization.QuantType[kind],
                weight_type=quantization.QuantType.QInt8,
                extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": True})
    finally:
        logging.disable(before)
    return path, images


def codes_model(nodes: Sequence[NodeProto], shape: Sequence[int], stored: Mapping[str, Any],
                kind: type[np.generic] = np.int8) -> ModelProto:
    """A model that quantises its input `x` to `q` by `xs` and `xz`, and makes `y` real by `ys` and
    `yz`, with nodes between."""
    first = helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["q"], name="first")
    last = helper.make_node("DequantizeLinear", ["y", "ys", "yz"], ["real"], name="last")
    given = {"xs": np.float32(0.05), "xz": kind(3), "ys": np.float32(0.07), "yz": kind(9)} | dict(
        stored)
    graph = helper.make_graph(
        [first, *nodes, last], "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])],
        [helper.make_tensor_value_info("real", TensorProto.FLOAT, [None] * (len(shape) + 1))],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in given.items()])
    return helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])


def agreement(path: Path, images: np.ndarray) -> tuple[bool, list[Agreement]]:
    """Whether a file is quantised, and how its layers agree with onnxruntime on images."""
    imported, tensors = read_onnx(path)
    return compared(path, trace(imported), tensors, images.astype(np.float32))
