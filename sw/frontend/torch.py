"""Captures a PyTorch module with `torch.export` as a chain of float layers.

Supported: Conv2d (kernel, stride, padding, groups), Linear, BatchNorm (folded), ReLU, ReLU6 and
Hardtanh, MaxPool2d, Flatten, Dropout, Identity, in a chain. Pooling, batch norm or an activation
with nothing before it to join becomes a layer of its own, a 1x1 convolution of each channel.
"""

import warnings
from dataclasses import replace

import numpy as np
import torch

from sw.graph.convolution import one_pixel
from sw.graph.floating import FloatGraph, FloatLayer
from sw.graph.flow import expect
from sw.graph.integer import Pool

from .module import UnsupportedLayer, check_values, left_alone, one_image

__all__ = ["UnsupportedLayer", "capture"]

_FREE = {"alias.default", "clone.default", "detach.default", "contiguous.default"}

_BATCH = 2  # of the example that the export sees


def capture(module: torch.nn.Module, in_shape: tuple[int, int, int],
            name: str | None = None) -> FloatGraph:
    """Capture a module in evaluation mode, as float32; the module is left as it was.

    Parameters
    ----------
    module : torch.nn.Module
        Takes one tensor [N, C, H, W] (or [N, F], with `in_shape` (F, 1, 1)).
    in_shape : (channels, rows, columns)
    name : str, optional

    Returns
    -------
    FloatGraph

    Raises
    ------
    FlowError
        If the module is none.
    UnsupportedLayer
        Naming the first layer and operator that cannot be run.
    """
    expect(module, torch.nn.Module, "capture")
    name = name or type(module).__name__
    shape = one_image(in_shape, name)
    check_values(module, name)
    with left_alone(module):
        return _Capture(module, shape, name).run()


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.float() if tensor.is_floating_point() else tensor).detach().cpu().numpy()


class _Capture:
    """Walks the exported graph; `layers` grows as operators come."""

    def __init__(self, module: torch.nn.Module, in_shape: tuple[int, int, int], name: str):
        tensors = [*module.parameters(), *module.buffers()]
        like = next((t for t in tensors if t.is_floating_point()), torch.empty(0))
        example = torch.zeros(_BATCH, *in_shape, dtype=like.dtype, device=like.device)
        try:
            if one_pixel(in_shape) and not self._takes(module, example):
                example = example.flatten(1)  # a network of vectors takes [N, F]
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                module(example.clone())  # an eager error is plainer than one from the export
                self.program = torch.export.export(module, (example,), strict=False)
        except Exception as error:
            raise UnsupportedLayer(f"network {name}: torch.export cannot capture it: "
                                   f"{(str(error) or type(error).__name__).splitlines()[0]}"
                                   ) from error
        self.name = name
        self.shape = in_shape
        self.flat = example.ndim == 2
        self.layers: list[FloatLayer] = []
        self.pooled = self.activated = True  # the last layer can take no more of these
        self.values: dict[str, np.ndarray] = {}

    @staticmethod
    def _takes(module: torch.nn.Module, example: torch.Tensor) -> bool:
        try:
            with torch.no_grad():
                module(example.clone())
        except Exception:
            return False
        return True

    def run(self) -> FloatGraph:
        signature = self.program.graph_signature
        named = {**dict(self.program.named_parameters()), **dict(self.program.named_buffers()),
                 **self.program.constants}
        targets = {**signature.inputs_to_parameters, **signature.inputs_to_buffers,
                   **signature.inputs_to_lifted_tensor_constants}
        current = None
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                if node.name in targets:
                    self.values[node.name] = _numbers(named[targets[node.name]])
                elif current is None:
                    current = node
                else:
                    raise UnsupportedLayer(f"network {self.name}: takes more than one input")
            elif node.op == "call_function":
                self._call(node, current)
                current = node
            elif node.op == "output" and list(node.args[0]) != [current]:
                raise UnsupportedLayer(f"network {self.name}: must return one tensor, the "
                                       "last layer's")
        if not self.layers:
            raise UnsupportedLayer(f"network {self.name}: has no layer to run")
        return FloatGraph(self.name, tuple(self.layers))

    # -- helpers -----------------------------------------------------------------------------
    def _path(self, node) -> str:
        stack = node.meta.get("nn_module_stack") or {}
        paths = [path for path, _ in stack.values() if path]
        return (paths[-1] if paths else node.name).removeprefix("L['self'].") or node.name

    def _refuse(self, node, why: str):
        raise UnsupportedLayer(f"layer {self._path(node)}: {why}")

    def _value(self, node, argument):
        """A stored tensor's values, None for none."""
        if argument is not None and getattr(argument, "name", None) not in self.values:
            self._refuse(node, f"{argument} is computed, not stored: only weights that are "
                               "parameters or buffers of the module run")
        return None if argument is None else self.values[argument.name]

    def _call(self, node, current) -> None:
        kind = str(node.target).removeprefix("aten.")
        if len(node.args) == 0 or node.args[0] is not current:
            self._refuse(node, f"operator {kind} does not take the layer before it as its "
                               "input: only chains of layers run")
        if len(node.users) > 1:
            self._refuse(node, f"the result of {kind} is used {len(node.users)} times: only "
                               "chains of layers run")
        if kind in _FREE:
            return
        method = "_op_" + kind.split(".")[0].rstrip("_")
        if not hasattr(self, method):
            self._refuse(node, f"operator {kind} is not supported")
        handler = getattr(self, method)
        with warnings.catch_warnings():
            handler(node)

    def _arguments(self, node, names: dict) -> dict:
        """Arguments by name, with their defaults."""
        found = dict(names)
        for key, value in zip(names, node.args[1:], strict=False):
            found[key] = value
        found.update({k: v for k, v in node.kwargs.items() if k in names})
        return found

    def _unused_name(self, name: str) -> str:
        taken = {x.name for x in self.layers}
        while name in taken:
            name += "_"
        return name

    def _append(self, layer: FloatLayer) -> None:
        self.layers.append(replace(layer, name=self._unused_name(layer.name)))
        self.shape = layer.out_shape
        self.pooled = self.activated = False

    def _own_layer(self, node) -> None:
        """Start a layer that copies its input, for what cannot join the one before."""
        channels = self.shape[0]
        self._append(FloatLayer(
            self._path(node), np.ones((channels, 1, 1, 1), np.float32),
            np.zeros(channels, np.float32), 1, (0, 0), channels, self.shape, self.shape,
            self.shape))

    # -- operators ------------------------------------------------------------------------------
    def _op_dropout(self, node) -> None:
        a = self._arguments(node, {"p": 0.5, "train": True})
        if a["train"] and a["p"] != 0:
            self._refuse(node, f"dropout of {a['p']} is on in evaluation, too; pass "
                               "training=self.training, or take nn.Dropout")

    _op_feature_dropout = _op_alpha_dropout = _op_feature_alpha_dropout = _op_dropout

    def _op_conv2d(self, node) -> None:
        a = self._arguments(node, {"weight": None, "bias": None, "stride": [1, 1],
                                   "padding": [0, 0], "dilation": [1, 1], "groups": 1})
        weight = self._value(node, a["weight"])
        if self.flat:
            self._refuse(node, "a convolution cannot follow flatten")
        stride, dilation, padding = list(a["stride"]), list(a["dilation"]), a["padding"]
        stride, dilation = stride * (2 // len(stride)), dilation * (2 // len(dilation))
        if dilation != [1, 1]:
            self._refuse(node, f"dilation is {dilation}; only 1 is supported")
        if stride[0] != stride[1] or not 1 <= stride[0] <= 15:
            self._refuse(node, f"stride is {stride}; it must be the same both ways, 1 to 15")
        if isinstance(padding, str):
            padding = [0, 0] if padding == "valid" else [(k - 1) // 2 for k in weight.shape[2:]]
        padding = list(padding) * (2 // len(padding))
        if max(padding) > 127 or max(weight.shape[2:]) > 255:
            self._refuse(node, f"padding {padding} or kernel {list(weight.shape[2:])} is larger "
                               "than an instruction can hold (127 and 255)")
        bias = self._value(node, a["bias"])
        shape = self._result(node)
        self._append(FloatLayer(
            self._path(node), weight.astype(np.float32),
            (np.zeros(len(weight)) if bias is None else bias).astype(np.float32), stride[0],
            (padding[0], padding[1]), int(a["groups"]), self.shape, shape, shape))

    def _result(self, node) -> tuple[int, int, int]:
        channels, *rest = (int(n) for n in node.meta["val"].shape[1:])
        rows, columns = rest or (1, 1)
        return channels, rows, columns

    def _op_linear(self, node) -> None:
        a = self._arguments(node, {"weight": None, "bias": None})
        weight, bias = self._value(node, a["weight"]), self._value(node, a["bias"])
        if node.args[0].meta["val"].ndim != 2:
            self._refuse(node, "a linear layer over the last dimension of a map is not supported;"
                               " put a flatten before it")
        shape = (len(weight), 1, 1)
        self._append(FloatLayer(
            self._path(node), weight.astype(np.float32).reshape(len(weight), *self.shape),
            (np.zeros(len(weight)) if bias is None else bias).astype(np.float32), 1, (0, 0), 1,
            self.shape, shape, shape))
        self.flat = True

    def _op_batch_norm(self, node) -> None:
        a = self._arguments(node, {"weight": None, "bias": None, "running_mean": None,
                                   "running_var": None, "training": False, "momentum": 0,
                                   "eps": 1e-5})
        if a["training"] or a["running_mean"] is None:
            self._refuse(node, "batch norm takes the statistics of its own batch in evaluation, "
                               "too; give it running statistics and training=self.training, or "
                               "take nn.BatchNorm2d with track_running_stats")
        if self.flat and self.shape[1:] != (1, 1):
            self._refuse(node, "batch norm between flatten and a linear layer is not supported")
        mean, variance = self._value(node, a["running_mean"]), self._value(node, a["running_var"])
        gamma, beta = self._value(node, a["weight"]), self._value(node, a["bias"])
        for what, values in (("running mean", mean), ("running variance", variance),
                             ("weight", gamma), ("bias", beta)):
            if values is not None and not np.isfinite(values).all():
                self._refuse(node, f"its {what} holds NaN or infinity; train or load it anew")
        if variance.min() + a["eps"] <= 0:
            self._refuse(node, f"its running variance is {variance.min():g} with an eps of "
                               f"{a['eps']:g}; their sum must be above 0")
        scale = (1 if gamma is None else gamma) / np.sqrt(variance + a["eps"])
        offset = (0 if beta is None else beta) - mean * scale
        if self.activated or self.pooled or self.layers[-1].pool is not None:
            self._own_layer(node)
        last = self.layers[-1]
        self.layers[-1] = replace(
            last, weight=(last.weight * scale.reshape(-1, 1, 1, 1)).astype(np.float32),
            bias=(last.bias * scale + offset).astype(np.float32))

    def _clamp(self, node, low: float, high: float | None) -> None:
        if not self.layers or (self.layers[-1].low, self.layers[-1].high) not in (
                (None, None), (low, high)):
            self._own_layer(node)
        self.layers[-1] = replace(self.layers[-1], low=low, high=high)
        self.activated = True

    def _op_relu(self, node) -> None:
        self._clamp(node, 0.0, None)

    def _op_relu6(self, node) -> None:
        self._clamp(node, 0.0, 6.0)

    def _op_hardtanh(self, node) -> None:
        a = self._arguments(node, {"min_val": -1.0, "max_val": 1.0})
        if a["min_val"] != 0:
            self._refuse(node, f"a clamp from {a['min_val']} is not supported, only from 0")
        high = float(a["max_val"])
        self._clamp(node, 0.0, None if np.isinf(high) else high)

    def _op_max_pool2d(self, node) -> None:
        a = self._arguments(node, {"kernel": None, "stride": [], "padding": [0, 0],
                                   "dilation": [1, 1], "ceil_mode": False})
        kernel = list(a["kernel"]) * (2 // len(a["kernel"]))
        stride = list(a["stride"] or kernel)
        stride, padding = stride * (2 // len(stride)), list(a["padding"])
        padding *= 2 // len(padding)
        if set(a["dilation"]) != {1}:
            self._refuse(node, f"pooling dilation is {list(a['dilation'])}; only 1 is supported")
        if stride[0] != stride[1] or max(*kernel, *stride) > 15:
            self._refuse(node, f"pooling window {kernel} with stride {stride}; the stride must be"
                               " the same both ways, and both at most 15")
        if self.flat:
            self._refuse(node, "pooling cannot follow flatten")
        if not self.layers or self.pooled:
            self._own_layer(node)
        shape = self._result(node)
        self.layers[-1] = replace(
            self.layers[-1], out_shape=shape,
            pool=Pool(tuple(kernel), tuple(stride), tuple(padding), shape[1:]))
        self.shape = shape
        self.pooled = True

    def _op_flatten(self, node) -> None:
        shape = [int(n) for n in node.meta["val"].shape]
        if shape != [_BATCH, int(np.prod(self.shape))]:
            self._refuse(node, "flatten must keep the batch and nothing else")
        self.flat = True

    def _op_view(self, node) -> None:
        self._op_flatten(node)

    def _op_reshape(self, node) -> None:
        self._op_flatten(node)
