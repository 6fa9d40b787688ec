"""ONNX files mean what the reference of onnx says; what cannot run is named."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from sw.frontend.torch import import_torch
from sw.ir.errors import UnsupportedLayer
from sw.ir.evaluate import evaluate, evaluate_all
from sw.onnx.capture import capture_onnx, import_onnx
from sw.terminal.networks import input_shape
from tests.support.floating import run_float
from tests.support.modules import Calls
from tests.support.networks import NETWORKS, settled
from tests.support.onnx_files import model_of, one_node, to_onnx
from tests.support.seeds import run_seed

RNG = np.random.default_rng(run_seed())


def numbers(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


def test_all_that_a_file_gives_has_its_name(tmp_path):
    net = settled(Calls(lambda s, z: {"a": s.conv(y := s.norm3(z)), "b": y, "c": y.mean((2, 3))},
                        norm3=torch.nn.BatchNorm2d(3)))
    graph, image = import_torch(net, (3, 9, 9)), numbers(1, 3, 9, 9)
    model = to_onnx(graph)
    imported = import_onnx(saved(model, tmp_path))
    results: list = list(ReferenceEvaluator(model).run(None, {"x": image}))
    assert list(imported.names) == [x.name for x in model.graph.output] == list(graph.outputs)
    for found, expected in zip(evaluate_all(imported, torch.from_numpy(image)), results,
                               strict=True):
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert [x.name for x in capture_onnx(tmp_path / "net.onnx").outputs] == list(imported.names)


def assert_means_the_same(model: onnx.ModelProto, folder: Path, shape: tuple[int, ...]) -> None:
    image = numbers(1, *shape)
    results: list = list(ReferenceEvaluator(model).run(None, {"x": image}))
    expected = results[0]
    graph = import_onnx(saved(model, folder), shape)
    found = evaluate(graph, torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


CASES: list[tuple[str, tuple[int, ...], list[np.ndarray], dict]] = [
    ("Conv", (4, 9, 8), [numbers(6, 2, 3, 2), numbers(6)],
     {"strides": [2, 1], "pads": [1, 0, 2, 1], "group": 2, "kernel_shape": [3, 2]}),
    ("Conv", (4, 9, 8), [numbers(6, 4, 3, 2)], {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    ("Conv", (4, 9, 8), [numbers(6, 4, 4, 2)], {"auto_pad": "SAME_LOWER", "dilations": [2, 1]}),
    ("Conv", (4, 9), [numbers(6, 4, 3)], {"pads": [2, 0], "strides": [2], "dilations": [2]}),
    ("Gemm", (5,), [numbers(5, 3), numbers(3)], {"alpha": 0.5, "beta": 2.0}),
    ("Gemm", (5,), [numbers(3, 5)], {"transB": 1}),
    ("MatMul", (5,), [numbers(5, 3)], {}), ("MatMul", (2, 3, 5), [numbers(5, 4)], {}),
    ("Add", (3, 4, 2), [numbers(2)], {}), ("Mul", (3, 4), [numbers(1, 1, 4)], {}),
    ("BatchNormalization", (3, 4, 4), [numbers(3), numbers(3), numbers(3), numbers(3) ** 2],
     {"epsilon": 0.1, "momentum": 0.5}),
    ("Add", (3, 4, 2), [numbers(3, 1, 1)], {}), ("Sub", (3, 4, 2), [numbers(1, 3, 1, 1)], {}),
    ("Mul", (3, 4, 2), [numbers(1)], {}), ("Div", (3, 4, 2), [numbers(3, 1, 1) + 9], {}),
    ("Neg", (3,), [], {}), ("Relu", (3, 4, 2), [], {}),
    ("Clip", (3,), [np.array(-0.5, np.float32), np.array(0.25, np.float32)], {}),
    ("Max", (3,), [np.array(0.1, np.float32)], {}), ("Min", (3,), [np.array(0.1, np.float32)], {}),
    ("MaxPool", (2, 8, 5), [], {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1],
                                "ceil_mode": 1}),
    ("AveragePool", (2, 9, 8), [], {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1,
                                    "pads": [0, 1, 1, 1]}),
    ("AveragePool", (2, 9, 9), [], {"kernel_shape": [3, 3], "strides": [2, 2],
                                    "pads": [1, 1, 1, 1]}),
    ("AveragePool", (2, 9, 9), [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
                                    "count_include_pad": 1}),
    ("GlobalAveragePool", (2, 5, 3), [], {}), ("GlobalMaxPool", (2, 5, 3), [], {}),
    ("ReduceMean", (2, 5, 3), [], {"axes": [2, 3]}),
    ("ReduceMean", (2, 5, 3), [], {"axes": [-1], "keepdims": 0}),
    ("Pad", (2, 5, 3), [np.array([0, 0, 1, 2, 0, 0, 3, 0]), np.array(0.5, np.float32)], {}),
    ("Flatten", (2, 5, 3), [], {}), ("Reshape", (2, 6, 3), [np.array([0, -1, 9])], {}),
    ("Squeeze", (2, 1, 3), [np.array([2])], {}), ("Unsqueeze", (2, 3), [np.array([1, -1])], {}),
    ("Transpose", (2, 5, 3), [], {"perm": [0, 3, 1, 2]}),
    ("Slice", (8, 5, 3), [np.array([6, 0]), np.array([1, 9]), np.array([1, 2]),
                          np.array([-2, 2])], {}),
    ("Gather", (4, 3, 2), [np.array([3, -3, 0])], {"axis": 1}),
    ("Gather", (4, 3, 2), [np.array(2)], {"axis": 1}),
    ("Softmax", (5,), [], {}), ("LogSoftmax", (5, 2, 2), [], {"axis": 1}),
    ("Cast", (5,), [], {"to": TensorProto.DOUBLE}),
    ("Dropout", (5,), [np.array(0.3, np.float32)], {}),
    ("Identity", (5,), [], {}),
    *((kind, (3, 4, 2), [], {}) for kind in (
        "Sigmoid", "Tanh", "HardSwish", "Softsign", "Erf", "Exp", "Abs", "Sin", "Cos", "LeakyRelu",
        "HardSigmoid", "Elu", "Celu", "Selu", "Softplus", "ThresholdedRelu", "Shrink")),
    ("LeakyRelu", (3,), [], {"alpha": 0.3}), ("HardSigmoid", (3,), [], {"alpha": 0.5, "beta": 0.1}),
    ("Elu", (3,), [], {"alpha": 1.5}), ("Celu", (3,), [], {"alpha": 1.5}),
    ("Selu", (3,), [], {"alpha": 1.5, "gamma": 2.0}), ("Shrink", (3,), [], {"bias": 0.5}),
    ("PRelu", (3, 4, 2), [numbers(3, 1, 1)], {}), ("Pow", (3, 2), [np.array(2, np.float32)], {}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_node_means_what_the_reference_says(tmp_path, case):
    kind, shape, stored, attributes = case
    assert_means_the_same(one_node(kind, [1, *shape], stored, **attributes), tmp_path, shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_means_the_same_from_torch_and_from_onnx(tmp_path, name):
    make, shape = NETWORKS[name]
    graph = import_torch(settled(make()), shape)
    assert_means_the_same(to_onnx(graph, batch="N"), tmp_path, graph.input.shape)


def test_it_becomes_the_same_layers(tmp_path):
    make, shape = NETWORKS["resnet8"]
    net = settled(make())
    layers = capture_onnx(saved(to_onnx(import_torch(net, shape)), tmp_path))
    images = numbers(2, *shape)
    found = run_float(layers, images)[-1].flatten(1).numpy()
    np.testing.assert_allclose(found, net(torch.from_numpy(images)).detach().numpy(), rtol=1e-3,
                               atol=1e-4)


def test_shapes_are_computed(tmp_path):
    """As torch writes x.view(x.size(0), -1): Shape, Gather, Concat, Reshape."""
    nodes = [helper.make_node("Shape", ["x"], ["sizes"]),
             helper.make_node("Gather", ["sizes", "zero"], ["batch"]),
             helper.make_node("Concat", ["batch", "rest"], ["to"], axis=0),
             helper.make_node("Reshape", ["x", "to"], ["flat"]),
             helper.make_node("Gemm", ["flat", "w"], ["y"], transB=1)]
    stored = {"zero": np.array([0]), "rest": np.array([-1]), "w": numbers(4, 18)}
    assert_means_the_same(model_of(nodes, ["N", 2, "H", "W"], "y", stored), tmp_path, (2, 3, 3))


def test_early_opsets_have_their_own_attributes(tmp_path):
    assert_means_the_same(one_node("Clip", [1, 5], opset=10, min=-0.5, max=0.5), tmp_path, (5,))
    image = numbers(1, 6, 2, 2)
    graph = import_onnx(saved(one_node("Split", [1, 6, 2, 2], opset=11, outputs=2, axis=1,
                                       split=[2, 4]), tmp_path))
    assert np.array_equal(evaluate(graph, torch.from_numpy(image)).numpy(), image[:, :2])


LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


@pytest.mark.parametrize("name,convolutions,last", [
    ("squeezenet", 26, (1000, 1, 1)), ("resnet50", 54, (1000, 1, 1)),
    ("densenet121", 121, (1000, 1, 1))])
@pytest.mark.filterwarnings("ignore::sw.ir.errors.CaptureNotice")
def test_public_graphs_are_captured(name, convolutions, last):
    """Graphs of the onnx package, whose weights are all the same number."""
    graph = capture_onnx(LIGHT / f"light_{name}.onnx")
    assert graph.layers[0].in_shape == (3, 224, 224) and graph.layers[-1].out_shape == last
    # some are terms of others' sums
    assert sum(1 + len(layer.terms) for layer in graph.layers) >= convolutions


@pytest.mark.parametrize("model,message", [
    (one_node("Hardmax", [1, 3, 4, 4]), "layer it: operator Hardmax is not supported"),
    (one_node("Pow", [1, 3, 4], [numbers(3)]), "Pow runs with one stored number as exponent only"),
    (one_node("PRelu", [1, 3, 4], [numbers(4)]), "layer it: has slopes a number for each pixel"),
    (one_node("Shrink", [1, 3], bias=0.25), r"Shrink with bias = 0\.25 is not supported; 0 and"),
    (one_node("LRN", [1, 3, 4, 4], size=3), "layer it: operator LRN is not supported: batch"),
    (one_node("Conv", [1, 3, 4, 4], [numbers(2, 3, 3, 3)], kernel_shape=[5, 5]),
     r"layer it: kernel_shape is \[5, 5\]; the weights have \[3, 3\]"),
    (one_node("Conv", [1, 3, 2, 2], [numbers(2, 3, 3, 3)]), "layer it: its window of .* is larger"),
    (one_node("Conv", [1, 3, 4, 4], [numbers(2, 3, 3, 3) * np.inf]), "holds NaN or infinity"),
    (one_node("MaxPool", [1, 3, 4, 4], kernel_shape=[2, 2], dilations=[2, 1]),
     r"layer it: MaxPool with dilations = \[2, 1\] is not supported"),
    (one_node("Softmax", [1, 3, 4, 4], opset=11), "over all numbers after an axis"),
    (one_node("Reshape", [1, 3, 4, 4], [np.array([3, 16])]), "must keep the batch and nothing"),
    (one_node("Transpose", [1, 3, 4], perm=[1, 0, 2]), "the batch must stay first"),
    (one_node("Concat", [1, 3, 4], axis=0), "works along the batch"),
    (one_node("MatMul", [1, 3, 4], [numbers(3, 4)]), "3 inputs takes a vector of them, not"),
    (one_node("Add", [1, 3, 4, 4], [numbers(4, 4)]), "adds a number for each pixel"),
    (one_node("Add", [1, 3, 4, 4], [numbers(5, 1, 1)]), r"adds \[5, 1, 1\] for a value of"),
    (one_node("Div", [1, 3], [np.zeros(1, np.float32)]), "layer it: divides by 0"),
    (one_node("Cast", [1, 3], to=TensorProto.INT8), "makes its values INT8"),
    (one_node("Relu", [4, 3, 2, 2]), r"its input x is \[4, 3, 2, 2\], for batches of 4"),
    (one_node("Relu", [1, 3, "H", "W"]), r"give in_shape \(--input-shape\), the sizes"),
    (one_node("Relu", [1, 3, 4, 4], opset=6), "is of opset 6; 7 to"),
    (model_of([helper.make_node("Identity", ["s"], ["y"])], [1, 3], "y", {"s": numbers(1, 3)}),
     "its output y does not depend on its input"),
])
def test_what_cannot_run_is_named(tmp_path, model, message):
    with pytest.raises(UnsupportedLayer, match=message):
        import_onnx(saved(model, tmp_path))


def test_another_shape_than_the_files_is_refused(tmp_path):
    path = saved(one_node("Relu", [1, 3, "H", 4]), tmp_path)
    assert import_onnx(path, (3, 7, 4)).input.shape == (3, 7, 4)
    with pytest.raises(UnsupportedLayer, match=r"in_shape \(--input-shape\) is \[3, 7, 5\]"):
        import_onnx(path, (3, 7, 5))


def test_rows_have_the_shape_that_commands_give_them(tmp_path):
    path = tmp_path / "rows.onnx"
    onnx.save(one_node("Conv", [1, 3, "L"], [np.ones((4, 3, 5), np.float32)]), path)
    assert capture_onnx(path, input_shape("3x9")).layers[0].in_shape == (3, 1, 9)
    assert input_shape("3,9") == input_shape("3x9")


def test_damaged_files_are_refused(tmp_path):
    whole = saved(one_node("Conv", [1, 3, 4, 4], [numbers(2, 3, 3, 3)]), tmp_path).read_bytes()
    path = tmp_path / "damaged.onnx"
    for cut in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:cut])
        with pytest.raises(UnsupportedLayer, match="network damaged"):
            import_onnx(path)
    with pytest.raises(FileNotFoundError):
        import_onnx(tmp_path / "none.onnx")
