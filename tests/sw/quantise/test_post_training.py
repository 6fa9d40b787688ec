"""Step sizes lose as little as int8 must, and nothing is quantised that has no right result."""

import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sw.frontend.torch import capture
from sw.graph.floating import FloatGraph, FloatLayer
from sw.quantise import shown as module
from sw.quantise.aware import FakeQuantised
from sw.quantise.post_training import QuantiseError, calibrate, quantise, quantise_with
from sw.quantise.scales import Observed, round_weights, weight_steps
from sw.reference.batched import run_integer
from sw.reference.golden import run_golden
from tests.support.floating import run_float
from tests.support.modules import random_chain


def linear(weight: np.ndarray, bias: np.ndarray | None = None, name: str = "fc") -> FloatGraph:
    out, inputs = weight.shape
    bias = np.zeros(out) if bias is None else bias
    return FloatGraph("net", (FloatLayer(
        name, weight.astype(np.float32).reshape(out, inputs, 1, 1), bias.astype(np.float32),
        (1, 1), (0, 0), 1, (inputs, 1, 1), (out, 1, 1), (out, 1, 1)),))


def error(graph: FloatGraph, images: np.ndarray, shown: np.ndarray) -> float:
    """RMS error of the integers on images, calibrated on those shown."""
    integer = quantise(graph, shown)
    found = run_integer(integer, torch.from_numpy(images)) * integer.output_scale
    return float((found - run_float(graph, images)[-1]).square().mean().sqrt())


# -- weights ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("tiny", [0.0, 1e-30, 1e-12])
def test_a_channel_without_weights_keeps_its_bias(tiny):
    weight = np.full((5, 3), tiny)
    weight[4] = 1.0
    bias = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
    images = np.random.default_rng(1).uniform(-1, 1, (8, 3, 1, 1)).astype(np.float32)
    integer = quantise(linear(weight, bias), images)
    found = run_golden(integer, integer.quantise_input(images[0]))[-1].reshape(-1)
    exact = np.round(bias[:4] / integer.output_scale)
    assert np.abs(found[:4] - exact).max() == 0 and exact.min() > 0


def test_a_batch_norm_of_gamma_zero_keeps_its_bias():
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)).eval()
    with torch.no_grad():
        net.get_parameter("1.weight")[1:] = 0
        net.get_parameter("1.bias")[1:] = torch.tensor([0.1, -0.2, 0.3])
    images = torch.randn(8, 2, 6, 6)
    integer = quantise(capture(net, (2, 6, 6)), images)
    found = run_integer(integer, images)[0, 1:, 0, 0] * integer.output_scale
    assert (found - net.get_parameter("1.bias")[1:]).abs().max() <= 0.51 * integer.output_scale


def test_fine_tuning_rounds_as_the_integers_do():
    rng = np.random.default_rng(3)
    weight = rng.standard_normal((6, 5))
    weight[0], weight[1] = 0, 1e-12
    graph = linear(weight, rng.standard_normal(6))
    images = rng.standard_normal((32, 5, 1, 1)).astype(np.float32)
    scales = calibrate(graph, images)
    fake = FakeQuantised(graph, scales)(torch.from_numpy(images)).detach() / scales[-1]
    integer = run_integer(quantise_with(graph, scales), torch.from_numpy(images)).flatten(1)
    assert (fake - integer).abs().max() < 1e-3 or (fake.round() - integer).abs().max() <= 1
    assert (fake - integer).abs().mean() < 0.02


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), limit=st.sampled_from([1 << 14, 1 << 17, 1 << 20]))
def test_steps_are_as_coarse_as_the_accumulator_asks_and_hardly_coarser(seed, limit):
    rng = np.random.default_rng(seed)
    weight = torch.from_numpy(rng.standard_normal((4, 300)).astype(np.float32))
    bias = torch.from_numpy(rng.standard_normal(4).astype(np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sw.quantise.scales._INT32", limit)
        steps = weight_steps(weight, bias, 0.05)
    reach = 128 * round_weights(weight, steps).abs().sum(1) + (bias / (0.05 * steps)).abs()
    plain = weight.abs().amax(1) / 127
    assert (reach < limit + 1).all()
    assert ((steps <= 1.001 * plain) | (reach > 0.2 * limit) | (reach < 128 * 16)).all()


def test_so_many_inputs_that_int32_would_overflow_take_coarser_steps():
    inputs = 150_000
    graph = linear(np.full((1, inputs), 0.01))
    images = np.random.default_rng(1).uniform(0, 1, (2, inputs, 1, 1)).astype(np.float32)
    integer = quantise(graph, images)
    found = run_golden(integer, integer.quantise_input(images[0]))[-1].item()
    exact = run_float(graph, images)[-1][0].item()
    assert int(np.abs(integer.layers[0].weight.astype(int)).max()) < 127
    assert abs(found * integer.output_scale / exact - 1) < 0.02


# -- activations -----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["normal", "uniform", "relu"])
def test_one_image_twenty_times_too_bright_costs_the_others_little(kind):
    rng = np.random.default_rng(2)
    images = rng.random((64, 3, 8, 8)) if kind == "uniform" else rng.standard_normal((64, 3, 8, 8))
    images = np.maximum(images, 0 if kind == "relu" else -9).astype(np.float32)
    shown = images.copy()
    shown[5] *= 20
    torch.manual_seed(1)
    graph = capture(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)), (3, 8, 8))
    assert error(graph, images, shown) < 1.5 * error(graph, images, images)


@pytest.mark.parametrize("dim", [0.3, 0.62, 0.85])
def test_bright_images_are_no_outliers_where_many_are_nearly_black(dim):
    rng = np.random.default_rng(4)
    images = rng.standard_normal((64, 3, 8, 8)).astype(np.float32)
    shown = images.copy()
    shown[:round(dim * 64)] *= 0.003
    torch.manual_seed(1)
    graph = capture(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)), (3, 8, 8))
    assert error(graph, images, shown) < 2 * error(graph, images, images)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["weight", "bias"])
def test_weights_that_are_no_numbers_are_refused_with_given_steps_too(what, value):
    graph = linear(np.ones((2, 3)))
    getattr(graph.layers[0], what).flat[0] = value
    with pytest.raises(QuantiseError, match=r"layer fc: its \w+ hold NaN or infinity"):
        quantise_with(graph, [0.1, 0.1])


def test_one_hot_pixel_does_not_coarsen_all_steps():
    images = np.random.default_rng(2).standard_normal((100, 1, 40, 40)).astype(np.float32)
    plain = calibrate(linear_map(images), images)[0]
    images[3, 0, 0, 0] = 60.0
    assert calibrate(linear_map(images), images)[0] < 3 * plain


def linear_map(images: np.ndarray) -> FloatGraph:
    shape = images.shape[1:]
    return FloatGraph("net", (FloatLayer(
        "conv", np.ones((1, 1, 1, 1), np.float32), np.zeros(1, np.float32), (1, 1), (0, 0), 1,
        shape, shape, shape),))


def test_a_step_is_the_one_of_least_error_on_alike_images():
    values = np.random.default_rng(0).laplace(size=(50, 400)).astype(np.float32)
    seen = Observed(50, 400)
    seen.add(torch.from_numpy(values))
    steps = np.linspace(0.02, 1, 200) * np.abs(values).max() / 127
    losses = [np.mean((values - np.clip(np.round(values / s), -127, 127) * s) ** 2) for s in steps]
    chosen = seen.scale()
    loss = np.mean((values - np.clip(np.round(values / chosen), -127, 127) * chosen) ** 2)
    assert loss <= 1.05 * min(losses)


def test_scales_do_not_depend_on_the_batches(monkeypatch):
    torch.manual_seed(0)
    graph = capture(nn.Sequential(nn.Conv2d(1, 40, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                  nn.Flatten(), nn.Linear(40 * 64, 5)), (1, 16, 16))
    images = np.random.default_rng(1).standard_normal((30, 1, 16, 16)).astype(np.float32)
    whole = calibrate(graph, images)  # 40 * 16 * 16 * 30 values: sampled
    monkeypatch.setattr(module, "_BATCH_BYTES", 7 * 100_000)
    np.testing.assert_allclose(calibrate(graph, images), whole, rtol=1e-5)


def test_calibration_holds_few_maps_at_a_time(monkeypatch):
    graph = capture(nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)),
                    (1, 32, 32))
    images = np.ones((64, 1, 32, 32), np.float32)
    monkeypatch.setattr(module, "_BATCH_BYTES", 1 << 20)
    most, plain = 0, module.run_float_layer

    def watched(layer, x, others):
        nonlocal most
        result = plain(layer, x, others=others)
        most = max(most, 4 * (x.numel() + result.numel()))
        return result

    monkeypatch.setattr(module, "run_float_layer", watched)
    tracemalloc.start()
    calibrate(graph, images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most <= 1 << 20  # all at once are 8 MB of maps in each layer
    assert peak < 40 << 20  # samples: 200,000 of each layer


# -- what is refused -------------------------------------------------------------------------------
NET = linear(np.eye(3))


@pytest.mark.parametrize(("images", "message"), [
    (np.zeros((0, 3, 1, 1)), r"there are no calibration images; net takes \[N, 3, 1, 1\]"),
    ([], r"calibration images are \[0\]; net takes \[N, 3, 1, 1\]"),
    (np.zeros((4, 3, 1, 1)), "the 4 calibration images of net are all zero; give some"),
    (np.full((4, 3, 1, 1), np.nan), "calibration images of net hold NaN or infinity"),
    (np.full((4, 3, 1, 1), 1e300), "calibration images of net hold NaN or infinity"),
    (np.ones((4, 3, 1, 1), complex), "calibration images are complex128; they must be real"),
    (np.ones((4, 3, 1, 1), np.uint8), "calibration images are uint8 pixels; give real numbers"),
    (np.full((4, 3, 1, 1), "a"), "calibration images are <U1; they must be real numbers"),
    (np.ones((3, 1, 1)), r"calibration images are \[3, 1, 1\]; net takes"),
    (np.ones((2, 4, 1, 1)), r"calibration images are \[2, 4, 1, 1\]; net takes"),
    ([np.ones((3, 1, 1)), np.ones((2, 1, 1))], "calibration images are no array of numbers"),
    (None, r"net is in real numbers: give images to calibrate it on, \[N, 3, 1, 1\]"),
    (torch.ones(2, 3, 1, 1, device="meta"), "calibration images are no array of numbers"),
])
def test_calibration_images_that_say_nothing_are_refused(images, message):
    with pytest.raises(QuantiseError, match=message):
        quantise(NET, images)


@pytest.mark.parametrize("change", [
    lambda x: torch.from_numpy(x).requires_grad_(),
    lambda x: torch.from_numpy(x).double(), lambda x: torch.from_numpy(x).bfloat16(),
    lambda x: list(torch.from_numpy(x)), lambda x: list(x), lambda x: x.tolist(),
    lambda x: x.astype(np.int16)])
def test_calibration_images_may_come_in_any_form(change):
    images = np.arange(1, 25, dtype=np.float32).reshape(8, 3, 1, 1)
    assert calibrate(NET, change(images)) == calibrate(NET, images)


@pytest.mark.parametrize(("scales", "message"), [
    ([1.0], "net needs 2 step sizes, one for the input and one for each layer; there are 1"),
    ([0.0, 1.0], "the input of net: its step size is 0.0; it must be a number above 0"),
    ([1.0, float("nan")], "layer fc: its step size is nan"),
])
def test_step_sizes_that_are_none_are_refused(scales, message):
    with pytest.raises(QuantiseError, match=message):
        quantise_with(NET, scales)


@pytest.mark.parametrize(("scales", "message"), [
    ([1e-12, 1.0], "layer fc: with steps of 1e-12 of its input all its weights are 0"),
    ([1.0, 1e30], r"layer fc: with steps of 1e\+30 all its outputs are 0; give a smaller one"),
])
def test_step_sizes_that_leave_nothing_are_refused(scales, message):
    with pytest.raises(QuantiseError, match=message):
        quantise_with(linear(np.eye(2), np.ones(2)), scales)


def test_biases_that_are_no_numbers_are_named():
    with pytest.raises(QuantiseError, match="layer fc: its biases hold NaN or infinity"):
        quantise(linear(np.eye(2), np.array([0, np.inf])), np.ones((1, 2, 1, 1)))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_quantised_outputs_stay_near_the_float_ones(seed):
    torch.manual_seed(seed)
    net, shape = random_chain(np.random.default_rng(seed))
    images = torch.randn(16, *shape).numpy()
    expected = net.eval()(torch.from_numpy(images)).detach().numpy()
    graph = quantise(capture(net, shape), images)
    outputs = [run_golden(graph, graph.quantise_input(x))[-1].reshape(-1) for x in images]
    result = np.stack(outputs) * graph.output_scale
    assert np.sqrt(np.mean((result - expected) ** 2)) < 0.15 * expected.std() + 1e-3


def test_channels_that_are_all_but_dead_are_quantised():
    net = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    with torch.no_grad():
        net.get_parameter("0.weight")[3] *= 1e-9
        net.get_parameter("1.bias")[3] = 2.0
    images = np.random.default_rng(1).standard_normal((4, 2, 6, 6)).astype(np.float32)
    integer = quantise(graph := capture(net, (2, 6, 6)), images)
    output = run_golden(integer, integer.quantise_input(images[0]))[-1] * integer.output_scale
    assert np.abs(output - run_float(graph, images[:1])[-1][0].numpy()).max() < 0.1


def test_weights_that_are_no_numbers_are_named():
    net = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 1), fc=nn.Conv2d(2, 2, 1)))
    with torch.no_grad():
        net.get_parameter("fc.weight")[0] = float("nan")
    with pytest.raises(QuantiseError, match="layer fc: its weights hold NaN"):
        quantise(capture(net, (1, 2, 2)), np.ones((1, 1, 2, 2), np.float32))
