"""Imported networks as ONNX models, node by node: the other way than `sw.onnx`."""

import math
from collections.abc import Sequence

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sw.ir.graph import Graph, Node
from sw.ir.operators import (
    Affine,
    AvgPool,
    Clamp,
    Concat,
    Conv,
    Gather,
    Interleave,
    Linear,
    MaxPool,
    Pad,
    Pointwise,
    Product,
    Reshape,
    Softmax,
    Sum,
    Transpose,
)

__all__ = ["model_of", "one_node", "to_onnx"]


def model_of(nodes: Sequence[NodeProto], shape: Sequence[int | str | None], output: str,
             stored: dict[str, np.ndarray], opset: int = 17) -> ModelProto:
    """A model of nodes on the input `x`, with stored tensors."""
    graph: GraphProto = helper.make_graph(
        list(nodes), "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None])],
        [numpy_helper.from_array(v, k) for k, v in stored.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def one_node(kind: str, shape: Sequence[int | str | None], stored: Sequence[np.ndarray] = (),
             opset: int = 17, outputs: int = 1, **attributes) -> ModelProto:
    """A model of one node, `it`, that takes the input and stored tensors."""
    names = [f"s{k}" for k in range(len(stored))]
    node = helper.make_node(kind, ["x", *names], ["y", *(f"y{k}" for k in range(1, outputs))],
                            name="it", **attributes)
    return model_of([node], shape, "y", dict(zip(names, stored, strict=True)), opset)


class _Writer:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.nodes: list[NodeProto] = []
        self.stored: dict[str, np.ndarray] = {}

    def store(self, array: np.ndarray) -> str:
        name = f"stored{len(self.stored)}"
        self.stored[name] = array
        return name

    def put(self, kind: str, inputs: Sequence[str], output: str, **attributes) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"n{len(self.nodes)}",
                                           **attributes))

    def high(self, name: str, like: str) -> str:
        """A map with rows and columns of zeros below and right of it, as large as another."""
        (_, rows, columns), (_, high, wide) = (self.graph.values[x].shape for x in (name, like))
        pads = np.array([0, 0, 0, 0, 0, 0, high - rows, wide - columns])
        self.put("Pad", [name, self.store(pads)], padded := f"{name}_{len(self.nodes)}")
        return padded

    def write(self, node: Node) -> None:
        op, given, to = node.op, list(node.inputs), node.output
        rank = len(self.graph.values[given[0]].shape)
        if isinstance(op, Conv):
            self.put("Conv", [*given, self.store(op.weight), self.store(op.bias)], to,
                     strides=op.stride, pads=op.padding, dilations=op.dilation, group=op.groups)
        elif isinstance(op, Linear):
            self.put("Gemm", [*given, self.store(op.weight), self.store(op.bias)], to, transB=1)
        elif isinstance(op, Affine):
            column = (-1,) + (1,) * (rank - 1)
            self.put("Mul", [*given, self.store(op.scale.reshape(column))], f"{to}_scaled")
            self.put("Add", [self.store(op.offset.reshape(column)), f"{to}_scaled"], to)
        elif isinstance(op, Sum):
            kinds: dict[tuple[float, ...], str] = {(1.0, 1.0): "Add", (1.0, -1.0): "Sub"}
            self.put(kinds[op.factors], given, to)
        elif isinstance(op, Product):
            self.put("Mul", given, to)
        elif isinstance(op, Pointwise):
            (scale,), (offset,) = op.function.of[0].numbers  # of a clamp to 0 and 1
            self.put("HardSigmoid", given, to, alpha=scale, beta=offset)
        elif isinstance(op, Concat):
            self.put("Concat", given, to, axis=op.axis + 1)
        elif isinstance(op, MaxPool | AvgPool):
            more = {"count_include_pad": int(op.count_padding)} if isinstance(op, AvgPool) else {}
            self.put("MaxPool" if isinstance(op, MaxPool) else "AveragePool", given, to,
                     kernel_shape=op.kernel, strides=op.stride, pads=op.padding,
                     ceil_mode=int(op.ceil), **more)
        elif isinstance(op, Clamp):
            self.put("Clip", [*given, *("" if math.isinf(x) else self.store(np.array(x, np.float32))
                                        for x in (op.low, op.high))], to)
        elif isinstance(op, Pad):
            top, left, bottom, right = op.border
            pads = np.array([0, 0, top, left, 0, 0, bottom, right])
            value = np.array(op.value, np.float32)
            self.put("Pad", [*given, self.store(pads), self.store(value)], to)
        elif isinstance(op, Reshape):
            self.put("Reshape", [*given, self.store(np.array([1, *op.to]))], to)
        elif isinstance(op, Transpose):
            self.put("Transpose", given, to, perm=[0, *(a + 1 for a in op.order)])
        elif isinstance(op, Gather):
            self.put("Gather", [*given, self.store(np.array(op.indices))], to, axis=op.axis + 1)
        elif isinstance(op, Interleave) and len(set(given)) == 1:
            scales = np.array([1, 1, *op.by], np.float32)
            self.put("Resize", [given[0], "", self.store(scales)], to, mode="nearest",
                     coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        elif isinstance(op, Interleave):
            self.put("Concat", [self.high(x, given[0]) for x in given], f"{to}_joined", axis=1)
            self.put("DepthToSpace", [f"{to}_joined"], f"{to}_whole", blocksize=op.by[0])
            ends = np.array(self.graph.values[to].shape[1:])
            self.put("Slice", [f"{to}_whole", *map(self.store, (
                np.array([0, 0]), ends, np.array([2, 3])))], to)
        else:
            assert isinstance(op, Softmax)
            self.put("LogSoftmax" if op.log else "Softmax", given, to, axis=op.axis + 1)


def to_onnx(graph: Graph, *, batch: int | str = 1, opset: int = 17) -> ModelProto:
    """An imported network as a model; its input is `x`."""
    writer = _Writer(graph)
    writer.put("Identity", ["x"], graph.input.name)
    for node in graph.nodes:
        writer.write(node)
    return model_of(writer.nodes, [batch, *graph.input.shape], graph.output, writer.stored, opset)
