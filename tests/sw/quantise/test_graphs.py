"""Sums are exact, joins have one step size, and graphs lose as little as chains do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sw.frontend.torch import capture
from sw.graph.floating import FloatGraph
from sw.graph.integer import INPUT, Layer
from sw.quantise.aware import FakeQuantised
from sw.quantise.post_training import QuantiseError, calibrate, quantise, quantise_with
from sw.quantise.sums import ratio
from sw.reference.batched import run_integer
from sw.reference.golden import convolve, run_golden
from tests.support.floating import run_float
from tests.support.modules import Calls, random_module
from tests.support.networks import NETWORKS, Residual, settled

pytestmark = pytest.mark.filterwarnings("ignore::sw.ir.errors.CaptureNotice")


def captured(name: str) -> tuple[FloatGraph, np.ndarray]:
    make, shape = NETWORKS[name]
    images = np.random.default_rng(1).standard_normal((24, *shape)).astype(np.float32)
    return capture(settled(make()), shape, name), images


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_lose_little_and_both_references_agree(name):
    graph, images = captured(name)
    integer = quantise(graph, images[:16])
    exact = run_float(graph, images)[-1]
    whole = run_integer(integer, torch.from_numpy(images))
    found = whole * integer.output_scale
    noise = 10 * np.log10(float(exact.square().sum() / (found - exact).square().sum()))
    assert noise > 30, f"{noise:.1f} dB"
    golden = run_golden(integer, integer.quantise_input(images[20]))
    assert np.array_equal(golden[-1], whole[20].numpy())


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_graph_is_quantised_and_both_references_agree(seed):
    torch.manual_seed(seed)
    net, shape = random_module(np.random.default_rng(seed))
    graph = capture(settled(net), shape)
    images = torch.randn(8, *shape)
    integer = quantise(graph, images)
    exact, whole = run_float(graph, images)[-1], run_integer(integer, images)
    golden = run_golden(integer, integer.quantise_input(images[5].numpy()))
    assert np.array_equal(golden[-1], whole[5].numpy())
    noise = float((whole * integer.output_scale - exact).square().mean().sqrt())
    assert noise < 0.12 * float(exact.square().mean().sqrt()) + integer.output_scale


# -- what is added ---------------------------------------------------------------------------------
def exactly(layer: Layer, scales: dict[str, float], values: dict[str, np.ndarray],
            source: str, skip: str) -> np.ndarray:
    """What a layer gives if the skip is added in real numbers, and the sum requantised once."""
    taps = sum(term.weight[:, 0, 0, 0].astype(int) for term in layer.terms)
    unit = (scales[skip] / np.asarray(taps, float))[:, None, None]
    real = (convolve(layer, values[source]) + layer.bias[:, None, None]) * unit
    y = np.floor((real + scales[skip] * values[skip].astype(float)) / scales[layer.name] + 0.5)
    return np.clip(y, layer.low, layer.high)


@pytest.mark.parametrize("seed", range(6))
def test_a_residual_is_the_exact_sum_requantised_once(seed):
    torch.manual_seed(seed)
    channels = 12
    net = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), Residual(
        nn.Conv2d(channels, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, channels, 3, padding=1)))
    with torch.no_grad():
        spread = torch.logspace(-1.5, 1.5, channels)[:, None, None, None]
        net.get_parameter("1.body.2.weight").mul_(spread)
    graph = capture(net, (3, 16, 16))
    images = torch.randn(20, 3, 16, 16).numpy()
    steps = calibrate(graph, images)
    integer = quantise_with(graph, steps)
    scales = dict(zip([INPUT, *(x.name for x in graph.layers)], steps, strict=True))
    assert [x.name for x in integer.layers] == ["0", "1.body.0", "1.body.2"]
    wrong = count = 0
    for image in images:
        x = integer.quantise_input(image)
        outputs = run_golden(integer, x)
        values = {INPUT: x, **dict(zip(scales, (x, *outputs), strict=True))}
        off = np.abs(outputs[2] - exactly(integer.layers[2], scales, values, "1.body.0", "0"))
        assert off.max() <= 1
        wrong, count = wrong + int((off > 0).sum()), count + off.size
    assert wrong / count <= 0.001, f"{wrong} of {count}"
    assert len(integer.layers[2].terms) <= 8


@pytest.mark.parametrize("seed", range(6))
def test_a_sum_of_two_activations_is_the_exact_one_requantised_once(seed):
    torch.manual_seed(seed)
    net = settled(Calls(lambda s, x: s.a(x).relu() - 0.7 * s.b(x).clamp(-1, 1),
                        a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(3, 4, 3)), seed)
    graph = capture(net, (3, 12, 12))
    images = torch.randn(20, 3, 12, 12).numpy()
    steps = calibrate(graph, images)
    integer = quantise_with(graph, steps)
    assert [x.name for x in integer.layers[:2]] == ["a", "b"] and len(integer.layers) == 3
    assert len(integer.layers[2].terms) == 1
    wrong = count = 0
    for image in images:
        a, b, found = run_golden(integer, integer.quantise_input(image))
        exact = np.floor((a * steps[1] - np.float32(0.7) * b * steps[2]) / steps[3] + 0.5)
        off = np.abs(found - np.clip(exact, -128, 127))
        assert off.max() <= 1
        wrong, count = wrong + int((off > 0).sum()), count + off.size
    assert wrong / count <= 0.001, f"{wrong} of {count}"


def test_step_sizes_are_moved_by_less_than_half_a_percent_to_add():
    rng = np.random.default_rng(1)
    for a, b in rng.uniform(0.1, 1, (200, 2)):
        p, q = ratio(a, b)
        assert abs(np.log(p * b / (q * a))) < 0.005 and max(p, q) <= 127
    assert ratio(1.0, 1.0) == (1, 1) and ratio(0.5, 0.75) == (2, 3) and ratio(900, 1) == (127, 1)


def test_a_projection_is_a_term_and_loses_no_more_than_int8_does():
    torch.manual_seed(2)
    net = settled(Calls(lambda s, x: (s.a(x) + s.b(x)).relu(), a=nn.Conv2d(3, 8, 3, 2, 1),
                        b=nn.Conv2d(3, 8, 1, 2)))
    images = torch.randn(16, 3, 13, 13)
    graph = capture(net, (3, 13, 13))
    integer = quantise(graph, images)
    assert len(integer.layers) == 1 and len(integer.layers[0].terms) == 1
    exact = run_float(graph, images)[-1]
    found = run_integer(integer, images) * integer.output_scale
    assert float((found - exact).square().mean().sqrt()) < 1.0 * integer.output_scale


@pytest.mark.parametrize("count_padding", [True, False])
def test_a_mean_is_the_sum_rounded_once(count_padding):
    pool = nn.AvgPool2d(3, 1, 1, count_include_pad=count_padding)
    graph = capture(nn.Sequential(pool), (2, 7, 7))
    images = np.random.default_rng(1).uniform(-1, 1, (8, 2, 7, 7)).astype(np.float32)
    integer = quantise(graph, images)
    x = integer.quantise_input(images[0])
    padded = np.pad(x.astype(int), ((0, 0), (1, 1), (1, 1)))
    sums = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2)).sum((3, 4))
    inside = np.array([2, 3, 3, 3, 3, 3, 2])
    counts = 9 if count_padding else np.outer(inside, inside)
    exact = np.floor(sums * integer.input_scale / counts / integer.output_scale + 0.5)
    off = np.abs(run_golden(integer, x)[-1] - np.clip(exact, -128, 127))
    assert off.max() <= 1 and (off > 0).mean() < 0.02


@pytest.mark.parametrize("symmetric", [True, False])
def test_padding_is_what_numbers_beside_the_map_would_be(symmetric):
    pad, conv = nn.ConstantPad2d((1, 0, 0, 2), -0.75), nn.Conv2d(2, 3, 3)
    images = np.random.default_rng(1).uniform(-1, 2, (8, 2, 7, 7)).astype(np.float32)
    graph = capture(nn.Sequential(pad, conv), (2, 7, 7))
    assert len(graph.layers) == 1
    integer = quantise(graph, images, symmetric=symmetric)
    x, (layer,) = integer.quantise_input(images[0]), integer.layers
    beside = int(integer.quantise_input(np.full((2, 7, 7), -0.75))[0, 0, 0])
    assert layer.pad_value == beside != 0
    whole = np.pad(x, ((0, 0), (0, 2), (1, 0)), constant_values=beside)
    plain = replace(layer, padding=(0, 0), in_shape=whole.shape)
    np.testing.assert_array_equal(run_golden(integer, x)[0], run_golden(
        replace(integer, layers=(plain,)), whole)[0])


def test_padding_that_no_int8_means_is_refused_with_the_nearest():
    net = nn.Sequential(nn.ConstantPad2d(1, 9.0), nn.Conv2d(2, 3, 3))
    images = np.random.default_rng(1).uniform(-1, 1, (8, 2, 7, 7)).astype(np.float32)
    with pytest.raises(QuantiseError, match=r"layer 1: pads with 9, which no int8 of its input "
                                            r"means; the nearest that one does is (1|0\.99)"):
        quantise(capture(net, (2, 7, 7)), images)


# -- step sizes ------------------------------------------------------------------------------------
def test_parts_of_a_join_and_copies_share_a_step_and_are_what_they_were():
    net = settled(Calls(lambda s, x: s.c(nn.functional.max_pool2d(
        torch.cat([s.a(x), x, 9 * s.b(x)], 1), 2)), a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(3, 4, 1),
        c=nn.Conv2d(11, 5, 3)))
    graph = capture(net, (3, 10, 10))
    images = torch.randn(16, 3, 10, 10).numpy()
    steps = calibrate(graph, images)
    assert [x.name for x in graph.layers] == ["a", "b", "cat", "max_pool2d", "c"]
    assert len(set(steps[:5])) == 1 and steps[5] != steps[0]
    integer = quantise_with(graph, steps)
    x = integer.quantise_input(images[0])
    a, b, _, pooled, _ = run_golden(integer, x)
    joined = np.concatenate([a, x, b])
    assert np.array_equal(pooled, joined.reshape(11, 5, 2, 5, 2).max((2, 4)))
    with pytest.raises(QuantiseError, match="join cat_: its parts have different step sizes"):
        quantise_with(graph, [*steps[:2], 2 * steps[2], *steps[3:]])


def test_clamps_from_anywhere_are_held():
    graph = capture(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Hardtanh(-0.2, 0.3)), (3, 9, 9))
    images = torch.randn(16, 3, 9, 9)
    integer = quantise(graph, images)
    low, high = integer.layers[0].low, integer.layers[0].high
    assert abs(low * integer.output_scale + 0.2) < integer.output_scale and low < 0 < high
    found = run_integer(integer, images)
    assert found.min() == low and found.max() == high


def test_calibration_holds_no_value_longer_than_it_is_read(monkeypatch):
    graph, images = captured("densenet")
    whole = calibrate(graph, images)
    monkeypatch.setattr("sw.quantise.shown._BATCH_BYTES", 100_000)
    np.testing.assert_allclose(calibrate(graph, images), whole, rtol=1e-5)


def test_fine_tuning_of_graphs_is_refused_by_name():
    graph, images = captured("resnet")
    with pytest.raises(ValueError, match=r"layer 4\.conv2: reads 4\.conv1 and 0; fine-tuning"):
        FakeQuantised(graph, calibrate(graph, images))


def test_a_graph_with_a_nan_in_a_term_is_refused():
    graph, images = captured("resnet")
    layers = list(graph.layers)
    bad = layers[4].terms[0].weight.copy()
    bad[0] = np.nan
    layers[4] = replace(layers[4], terms=(replace(layers[4].terms[0], weight=bad),))
    with pytest.raises(QuantiseError, match=r"layer 5.conv2: its weights hold NaN"):
        quantise(graph.with_layers(layers), images)
