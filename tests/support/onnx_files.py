"""Imported networks as ONNX models, node by node: the other way than `sw.onnx`."""

import math
from collections.abc import Sequence

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sw.ir.graph import Graph, Node
from sw.ir.operators import (
    Affine,
    AvgPool,
    Border,
    Clamp,
    Concat,
    Conv,
    Gather,
    Interleave,
    Linear,
    MaxPool,
    Mosaic,
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
             stored: dict[str, np.ndarray], opset: int = 17,
             more: Sequence[str] = ()) -> ModelProto:
    """A model of nodes on the input `x`, with stored tensors, that gives `more` besides."""
    graph: GraphProto = helper.make_graph(
        list(nodes), "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [None]) for x in (output, *more)],
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

    def inside(self, name: str, border: Border) -> str:
        """A map without the rows and columns that a border below 0 leaves out."""
        if min(border) >= 0:
            return name
        _, rows, columns = self.graph.values[name].shape
        top, left, bottom, right = (max(0, -n) for n in border)
        self.put("Slice", [name, *map(self.store, map(np.array, (
            [top, left], [rows - bottom, columns - right], [2, 3])))],
                 part := f"{name}_{len(self.nodes)}")
        return part

    def write(self, node: Node) -> None:
        op, given, to = node.op, list(node.inputs), node.output
        rank = len(self.graph.values[given[0]].shape)
        if isinstance(op, Conv):
            self.put("Conv", [*given, self.store(op.weight), self.store(op.bias)], to,
                     strides=op.stride, pads=op.padding, dilations=op.dilation, group=op.groups)
        elif isinstance(op, Linear):
            if rank == 1:
                self.put("Gemm", [*given, self.store(op.weight), self.store(op.bias)], to, transB=1)
                return
            self.put("MatMul", [*given, self.store(op.weight.T.copy())], f"{to}_product")
            self.put("Add", [self.store(op.bias), f"{to}_product"], to)
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
            more = {"ceil_mode": int(op.ceil)} if isinstance(op, MaxPool) else \
                {"count_include_pad": 1}
            self.put("MaxPool" if isinstance(op, MaxPool) else "AveragePool",
                     [self.inside(given[0], op.padding)], to, kernel_shape=op.kernel,
                     strides=op.stride, pads=[max(0, n) for n in op.padding], **more)
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
        elif isinstance(op, Mosaic):
            rows = range(op.by[0])
            for k in rows:
                self.put("Concat", given[k * op.by[1]:(k + 1) * op.by[1]], f"{to}_{k}", axis=3)
            self.put("Concat", [f"{to}_{k}" for k in rows], to, axis=2)
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
    if graph.input.name != "x":
        writer.put("Identity", ["x"], graph.input.name)
    for node in graph.nodes:
        writer.write(node)
    return model_of(writer.nodes, [batch, *graph.input.shape], graph.output, writer.stored, opset,
                    graph.more)
