"""Quantised models keep their integers and agree with onnxruntime; what cannot run is named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import NodeProto, helper, numpy_helper
from onnxruntime import InferenceSession

from sw.graph.edges import GraphError
from sw.graph.floating import FloatGraph
from sw.graph.quantisation import Quantisation
from sw.ir.errors import UnsupportedLayer
from sw.onnx.capture import capture_onnx
from sw.prune.layers import prunable_layers
from sw.quantise.aware import FakeQuantised
from sw.quantise.noise import signal_to_noise
from sw.quantise.post_training import QuantiseError, calibrate, quantise
from sw.reference.batched import run_integer
from sw.reference.golden import run_golden
from tests.support.onnx_files import model_of
from tests.support.quantised_files import FORMS, agreement, codes_model, quantised_file
from tests.support.seeds import run_seed

RNG = np.random.default_rng(run_seed())


def whole(*shape: int) -> np.ndarray:
    return RNG.integers(-128, 128, shape, np.int8)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


# -- networks --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "form"), [
    ("resnet", "QDQ"), ("mobilenet_v2", "QDQ with zero points"), ("squeezenet", "QDQ of uint8"),
    ("mobilenet_v2", "QLinear"), ("resnet", "QLinear of uint8"), ("shufflenet", "QDQ")])
def test_each_layer_differs_from_onnxruntime_by_rounding_alone(tmp_path, name, form):
    path, images = quantised_file(name, form, tmp_path)
    quantised, layers = agreement(path, images)
    assert quantised and len(layers) >= 10
    assert all(x.is_rounding for x in layers), layers[:3]


@pytest.mark.parametrize("form", FORMS)
def test_integers_are_those_of_the_file(tmp_path, form):
    path, images = quantised_file("mobilenet_v2", form, tmp_path)
    graph = quantise(capture_onnx(path))
    stored = {x.name: numpy_helper.to_array(x) for x in onnx.load(path).graph.initializer}
    weights = {v.tobytes() for v in stored.values() if v.dtype == np.int8 and v.ndim >= 2}
    weights |= {v.T.tobytes() for v in stored.values() if v.dtype == np.int8 and v.ndim == 2}
    biases = [v for v in stored.values() if v.dtype == np.int32 and v.ndim == 1]
    kept = [x for x in graph.layers if x.weight.tobytes() in weights]
    assert len(kept) == 12
    for layer in kept:
        sums = layer.weight.reshape(len(layer.bias), -1).sum(1, dtype=np.int64)
        assert any(np.array_equal(layer.bias + layer.pad_value * sums, b) for b in biases
                   if len(b) == len(sums)), layer.name
    assert (graph.input_zero, graph.layers[0].offset) == (0, 0) or "zero" in form or "u" in form
    whole = run_integer(graph, torch.from_numpy(images[:2]))
    golden = run_golden(graph, graph.quantise_input(images[1]))
    assert np.array_equal(golden[-1], whole[1].numpy())


def test_nothing_is_calibrated_or_chosen_again(tmp_path):
    path, images = quantised_file("mobilenet_v2", "QDQ", tmp_path)
    network = capture_onnx(path)
    graph, again = quantise(network), quantise(network, 100 * images)
    assert all(np.array_equal(a.mult, b.mult) for a, b in zip(graph.layers, again.layers,
                                                              strict=True))
    for step in (lambda: calibrate(network, images), lambda: prunable_layers(network),
                 lambda: FakeQuantised(network, [])):
        with pytest.raises(GraphError, match="network mobilenet_v2 is quantised already; "):
            step()


def test_its_real_numbers_are_clamped_as_its_integers_are(tmp_path):
    """onnxruntime leaves out a ReLU where uint8 begins at 0 anyway."""
    path, images = quantised_file("resnet", "QLinear of uint8", tmp_path)
    network = capture_onnx(path)
    found = signal_to_noise(network, quantise(network), images)
    assert min(found.values()) > 20, found


# -- operators of quantised models ----------------------------------------------------------------
CONV: dict[str, Any] = {
    "w": whole(6, 2, 3, 3), "ws": RNG.uniform(0.001, 0.004, 6).astype(np.float32),
    "wz": np.zeros(6, np.int8), "b": RNG.integers(-5000, 5000, 6, np.int32)}
MATRIX: dict[str, Any] = {
    "w": whole(8, 5), "ws": np.float32(0.002), "wz": np.int8(0),
    "b": RNG.integers(-5000, 5000, 5, np.int32)}
WEIGHT = ["w", "ws", "wz"]
SECOND = helper.make_node("QLinearMatMul", ["q", "xs", "xz", *WEIGHT, "zs", "zz"], ["r"])
SECOND_STORED: dict[str, Any] = {
    "w": whole(5, 5), "ws": np.float32(0.01), "wz": np.int8(0), "zs": np.float32(0.03),
    "zz": np.int8(-20)}
POOLED = ["q", "xs", "xz", "ys", "yz"]


def own(kind: str, inputs: list[str], **attributes) -> list[NodeProto]:
    return [helper.make_node(kind, inputs, ["y"], name="it", domain="com.microsoft", **attributes)]


CASES: dict[str, tuple[list[NodeProto], tuple[int, ...], Mapping[str, Any]]] = {
    "QLinearConv": ([helper.make_node(
        "QLinearConv", ["q", "xs", "xz", *WEIGHT, "ys", "yz", "b"], ["y"], group=2,
        pads=[1, 1, 1, 1], strides=[2, 2])], (4, 9, 9), CONV),
    "QLinearMatMul": ([helper.make_node(
        "QLinearMatMul", ["q", "xs", "xz", *WEIGHT, "ys", "yz"], ["y"])], (8,), MATRIX),
    "QGemm": (own("QGemm", ["q", "xs", "xz", *WEIGHT, "b", "ys", "yz"]), (8,), MATRIX),
    "QLinearAdd": ([SECOND, *own("QLinearAdd", ["q", "xs", "xz", "r", "zs", "zz", "ys", "yz"])],
                   (5,), SECOND_STORED),
    "QLinearConcat": ([SECOND, *own("QLinearConcat", ["ys", "yz", "q", "xs", "xz", "r", "zs", "zz"],
                                    axis=1)], (5,), SECOND_STORED),
    "QLinearMul": (own("QLinearMul", ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz"]), (6, 4, 4),
                   {"w": whole(6, 1, 1), "ws": np.float32(0.02), "wz": np.int8(5)}),
    "QLinearGlobalAveragePool": (own("QLinearGlobalAveragePool", POOLED), (6, 5, 5), {}),
    "QLinearAveragePool": (own("QLinearAveragePool", POOLED, kernel_shape=[3, 3], strides=[2, 2]),
                           (6, 9, 9), {}),
    "QLinearAveragePool of unequal windows": (own(
        "QLinearAveragePool", POOLED, kernel_shape=[3, 2], pads=[1, 1, 1, 0]), (6, 5, 6), {}),
    "QLinearSigmoid": (own("QLinearSigmoid", POOLED), (6, 5, 5), {}),
    "QLinearLeakyRelu": (own("QLinearLeakyRelu", POOLED, alpha=0.3), (6, 5, 5), {}),
    "MaxPool": ([helper.make_node("MaxPool", ["q"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1],
                                  strides=[2, 2])], (6, 9, 9),
                {"ys": np.float32(0.05), "yz": np.int8(3)}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_on_int8_is_what_onnxruntime_makes_of_it(tmp_path, case):
    nodes, shape, stored = CASES[case]
    path = saved(codes_model(nodes, shape, stored), tmp_path)
    quantised, layers = agreement(path, RNG.standard_normal((30, *shape)) * 2)
    assert quantised and all(x.is_rounding for x in layers), layers


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize(("case", "attributes"), [
    ("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.1}),
    ("QLinearLeakyRelu", {"alpha": 2})])
def test_a_table_is_exactly_onnxruntimes(tmp_path, case, attributes, kind):
    """Of all 256 values, and of steps that put many halfway between two."""
    least = np.iinfo(kind).min
    for scale, to, zero in ((0.05, 1 / 256, 3), (0.125, 0.25, 120), (0.05, 0.05, 17)):
        stored = {"xs": np.float32(scale), "ys": np.float32(to), "xz": kind(zero), "yz": kind(9)}
        model = codes_model(own(case, POOLED, **{k: float(v) for k, v in attributes.items()}),
                            (1, 16, 16), stored, kind)
        graph = quantise(capture_onnx(saved(model, tmp_path)))
        codes = np.arange(256).reshape(1, 16, 16)
        image = ((codes + least - zero) * np.float32(scale)).astype(np.float32)
        model.graph.output.append(helper.make_tensor_value_info(
            "y", helper.np_dtype_to_tensor_dtype(np.dtype(kind)), [None] * 4))
        theirs: list = InferenceSession(model.SerializeToString()).run(["y"], {"x": image[None]})
        ours = run_golden(graph, (codes - 128).astype(np.int8))[-1]
        assert np.array_equal(ours.astype(int) + 128, theirs[0][0].astype(int) - least)


@pytest.mark.parametrize(("weights", "terms"), [
    ({}, 0), ({"w": RNG.integers(0, 250, (6, 2, 3, 3), np.uint8), "wz": np.uint8(37)}, 1),
    ({"w": np.full((6, 2, 3, 3), 255, np.uint8), "wz": np.uint8(0), "b": np.zeros(6, np.int32),
      "ws": np.full(6, 1e-5, np.float32)}, 2)])
def test_uint8_is_int8_less_128_and_weights_beyond_int8_are_sums(tmp_path, weights, terms):
    nodes, shape, stored = CASES["QLinearConv"]
    path = saved(codes_model(nodes, shape, {**stored, **weights}, np.uint8), tmp_path)
    network = capture_onnx(path)
    assert len(quantise(network).layers[0].terms) == terms
    assert network.given == Quantisation(float(np.float32(0.05)), 3 - 128)
    quantised, layers = agreement(path, RNG.standard_normal((30, *shape)) * 2)
    assert quantised and all(x.is_rounding for x in layers), layers


def test_the_sum_of_two_scales_needs_as_many_taps_as_make_it_close(tmp_path):
    nodes, shape, stored = CASES["QLinearAdd"]
    graph = quantise(capture_onnx(saved(codes_model(nodes, shape, stored), tmp_path)))
    (layer,) = (x for x in graph.layers if x.terms)
    parts = {"q": int(layer.weight[0, 0, 0, 0]), "r": 0}
    for term in layer.terms:
        parts["r" if term.source != layer.source else "q"] += int(term.weight[0, 0, 0, 0])
    assert abs(parts["q"] / parts["r"] / (0.05 / 0.03) - 1) < 1e-5


# -- what cannot run -------------------------------------------------------------------------------
def refused(nodes: list[NodeProto], stored: Mapping[str, Any] | None = None,
            shape: tuple[int, ...] = (4, 9, 9)) -> onnx.ModelProto:
    return codes_model(nodes, shape, {**CONV, **(stored or {})})


def conv(*inputs: str, name: str = "it") -> NodeProto:
    return helper.make_node("Conv", inputs, ["c"], name=name, group=2)


REAL = [helper.make_node("DequantizeLinear", ["q", "xs", "xz"], ["f"]),
        helper.make_node("DequantizeLinear", WEIGHT, ["fw"], axis=0)]
BACK = helper.make_node("QuantizeLinear", ["c", "ys", "yz"], ["y"], name="back")
X = ["q", "xs", "xz"]


def test_steps_that_are_too_far_apart_for_a_sum_are_refused(tmp_path):
    nodes = [*REAL, conv("f", "fw"), helper.make_node("QuantizeLinear", ["c", "far", "yz"], ["cq"]),
             helper.make_node("DequantizeLinear", ["cq", "far", "yz"], ["cf"]),
             helper.make_node("Conv", ["f", "fw"], ["d"], group=2, name="b"),
             helper.make_node("QuantizeLinear", ["d", "ys", "yz"], ["dq"]),
             helper.make_node("DequantizeLinear", ["dq", "ys", "yz"], ["df"]),
             helper.make_node("Add", ["cf", "df"], ["s"], name="sum"),
             helper.make_node("QuantizeLinear", ["s", "ys", "yz"], ["y"])]
    near, far = (capture_onnx(saved(refused(nodes, {"far": np.float32(0.07 * times)}), tmp_path))
                 for times in (1000, 1100))
    quantise(near)
    with pytest.raises(QuantiseError, match=r"layer sum: .* steps 1,100 times the other's;"):
        quantise(far)


@pytest.mark.parametrize(("model", "message"), [
    (refused([helper.make_node("QLinearConv", [*X, *WEIGHT, "ys", "yz"], ["y"], group=2,
                               name="it")], {"ys": np.ones(6, np.float32)}),
     "layer it: QLinearConv has a scale for each channel of what the network computes"),
    (refused([helper.make_node("QLinearConv", [*X, *WEIGHT, "ys", "yz"], ["y"], group=2,
                               name="it")], {"yz": np.int16(0)}),
     "layer it: QLinearConv makes int16 of its values; int8 and uint8 run"),
    (refused([helper.make_node("QLinearConv", ["q", "ws1", "xz", *WEIGHT, "ys", "yz"], ["y"],
                               group=2, name="it")], {"ws1": np.float32(0.06)}),
     r"layer it: QLinearConv reads 0\.06 \(zero point 3\) where 0\.05 \(3\) was written"),
    (refused([REAL[0], helper.make_node("DequantizeLinear", WEIGHT[:2], ["fw"], axis=0),
              conv("f", "fw"), BACK], {"w": np.full((6, 2, 3, 3), 300, np.int32)}),
     "layer it: Conv: input 1 less its zero point is from 300 to 300; quantise weights to int8 or"),
    (refused([helper.make_node("QLinearConv", [*X, *WEIGHT, "ys", "yz"], ["y"], group=2,
                               name="it")], {"ws": np.ones(2, np.float32)}),
     r"layer it: QLinearConv has scales \[2\] for \[6, 2, 3, 3\]"),
    (refused([*REAL, conv("f", "fw"), helper.make_node("Relu", ["c"], ["y"], name="relu")]),
     "layer last: DequantizeLinear: input 0 is not quantised"),
    (refused([*REAL, conv("f", "rw"), BACK], {"rw": np.ones((6, 2, 3, 3), np.float32)}),
     "layer it: its weights are real numbers in a quantised model; quantise the whole model"),
    (refused([*REAL, conv("f", "fw"), helper.make_node("Relu", ["c"], ["a"], name="relu"),
              helper.make_node("Add", ["a", "c"], ["s"], name="sum"),
              helper.make_node("QuantizeLinear", ["s", "ys", "yz"], ["y"])]),
     "what it gives is not quantised; quantise the whole model"),
    (refused([*REAL, conv("f", "fw", name="a"),
              helper.make_node("Conv", ["f", "fw"], ["d"], group=2, name="b"),
              helper.make_node("Add", ["c", "d"], ["s"], name="sum"),
              helper.make_node("QuantizeLinear", ["s", "ys", "yz"], ["y"])]),
     "layer sum: adds what a gives before that is rounded to int8; quantise that layer's output"),
    (refused([*REAL, conv("f", "fw", name="a"),
              helper.make_node("QuantizeLinear", ["c", "ys", "yz"], ["cq"]),
              helper.make_node("DequantizeLinear", ["cq", "ys", "yz"], ["cf"]),
              helper.make_node("Conv", ["x", "fw"], ["d"], group=2, name="b"),
              helper.make_node("QuantizeLinear", ["d", "ys", "yz"], ["dq"]),
              helper.make_node("DequantizeLinear", ["dq", "ys", "yz"], ["df"]),
              helper.make_node("Add", ["cf", "df"], ["s"], name="sum"),
              helper.make_node("QuantizeLinear", ["s", "ys", "yz"], ["y"])]),
     "rounds the network's input, which others read as it is or in other steps"),
    (refused([helper.make_node("ConvInteger", ["q", "w"], ["y"], name="it", group=2)]),
     "layer it: operator ConvInteger chooses scales while it runs; .* quantise the model static"),
    (refused([helper.make_node("Relu", ["q"], ["y"], name="it")]),
     "layer it: Relu takes int8 as they are; only real numbers run, after a DequantizeLinear"),
    (model_of([helper.make_node("DequantizeLinear", ["w", "ws"], ["fw"], axis=0),
               helper.make_node("Conv", ["x", "fw"], ["y"], name="it", group=2)], [1, 4, 9, 9], "y",
              CONV), "layer it: its weights are quantised, and nothing else of the model is"),
])
def test_what_cannot_run_is_named(tmp_path, model, message):
    with pytest.raises(UnsupportedLayer, match=message):
        network = capture_onnx(saved(model, tmp_path))
        assert isinstance(network, FloatGraph)
