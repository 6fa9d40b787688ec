"""The golden model equals torch's integer arithmetic and the specification at its corners."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sw.graph.integer import GraphError, IntegerGraph, Layer, Pool
from sw.reference.golden import convolve, look_up, requantise, run_golden, run_layer


def pairs(most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(1, most), st.integers(1, most))


def make_layer(rng, channels, out, size, kernel, stride, pad, groups, **changes) -> Layer:
    rows = (size + 2 * pad - kernel) // stride + 1
    shape = (out, rows, rows)
    weight = rng.integers(-128, 128, (out, channels // groups, kernel, kernel), dtype=np.int8)
    values = {
        "name": "layer", "weight": weight,
        "bias": rng.integers(-5000, 5000, out).astype(np.int32),
        "mult": rng.integers(0, 1 << 16, out).astype(np.uint16),
        "shift": rng.integers(0, 48, out).astype(np.uint8), "low": -128, "high": 127,
        "stride": (stride, stride), "padding": (pad, pad), "groups": groups,
        "in_shape": (channels, size, size), "conv_shape": shape, "out_shape": shape}
    return Layer(**{**values, **changes})


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), groups=st.sampled_from([1, 2, 4]),
       kernel=st.integers(1, 7), stride=st.integers(1, 3), size=st.integers(7, 12),
       pad=st.integers(0, 3))
def test_convolution_equals_torch_in_int32(seed, groups, kernel, stride, size, pad):
    rng = np.random.default_rng(seed)
    layer = make_layer(rng, 8, 12, size, kernel, stride, min(pad, kernel - 1), groups)
    image = rng.integers(-128, 128, layer.in_shape, dtype=np.int8)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(image.astype(np.int32))[None],
        torch.from_numpy(layer.weight.astype(np.int32)), stride=stride,
        padding=layer.padding, groups=groups)[0].numpy()
    assert np.array_equal(convolve(layer, image), expected)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kernel=pairs(3), stride=pairs(3), dilation=pairs(9),
       size=pairs(9), pad=pairs(6), value=st.sampled_from([-128, -3, 0, 127]))
def test_steps_by_axis_and_the_value_of_padding(seed, kernel, stride, dilation, size, pad, value):
    rng = np.random.default_rng(seed)
    image = rng.integers(-128, 128, (3, *size), dtype=np.int8)
    weight = rng.integers(-128, 128, (4, 3, *kernel), dtype=np.int8)
    # a border of as much as the kernel reaches, then as many outputs as there are
    top, left = pad
    bottom, right = ((k - 1) * d for k, d in zip(kernel, dilation, strict=True))
    padded = np.full((3, size[0] + top + bottom, size[1] + left + right), value, np.float64)
    padded[:, top:top + size[0], left:left + size[1]] = image
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(padded)[None], torch.from_numpy(weight.astype(np.float64)), stride=stride,
        dilation=dilation)[0].numpy()
    layer = replace(make_layer(rng, 3, 4, 9, 1, 1, 0, 1), weight=weight, stride=stride,
                    dilation=dilation, padding=pad, pad_value=value, in_shape=(3, *size),
                    conv_shape=expected.shape, out_shape=expected.shape)
    layer.validate()
    assert np.array_equal(convolve(layer, image), expected)


def test_long_sums_are_exact_at_the_extremes():
    channels = 25088
    layer = make_layer(np.random.default_rng(1), channels, 2, 1, 1, 1, 0, 1,
                       weight=np.full((2, channels, 1, 1), -128, np.int8))
    image = np.full((channels, 1, 1), -128, np.int8)
    assert convolve(layer, image).reshape(-1).tolist() == [channels * 128 * 128] * 2


@settings(max_examples=200, deadline=None)
@given(total=st.integers(-2**31, 2**31 - 1), mult=st.integers(0, 2**16 - 1),
       shift=st.integers(0, 47), offset=st.integers(-128, 127))
def test_requantisation_rounds_halves_up_adds_and_clamps(total, mult, shift, offset):
    layer = make_layer(np.random.default_rng(0), 1, 1, 1, 1, 1, 0, 1,
                       bias=np.zeros(1, np.int32), mult=np.array([mult], np.uint16),
                       shift=np.array([shift], np.uint8), offset=offset)
    exact = total * mult  # Python integers: no width to overflow
    rounded = exact if shift == 0 else (exact + (1 << (shift - 1))) // (1 << shift)
    result = requantise(np.full((1, 1, 1), total, np.int64), layer)
    assert result.item() == max(-128, min(127, rounded + offset))


@pytest.mark.parametrize("half,expected", [(1, 1), (-1, 0), (3, 2), (-3, -1), (5, 3), (-5, -2)])
def test_a_half_rounds_towards_plus_infinity(half, expected):
    layer = make_layer(np.random.default_rng(0), 1, 1, 1, 1, 1, 0, 1, bias=np.zeros(1, np.int32),
                       mult=np.ones(1, np.uint16), shift=np.ones(1, np.uint8))
    assert requantise(np.full((1, 1, 1), half, np.int64), layer).item() == expected


@pytest.mark.parametrize("kernel,stride,pad", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2)])
def test_pooling_ignores_what_is_outside(kernel, stride, pad):
    rng = np.random.default_rng(7)
    out = (9 + 2 * pad - kernel) // stride + 1
    pool = Pool((kernel, kernel), (stride, stride), (pad, pad), (out, out))
    layer = make_layer(rng, 3, 4, 9, 3, 1, 1, 1, pool=pool, out_shape=(4, out, out))
    image = rng.integers(-128, 128, layer.in_shape, dtype=np.int8)
    plain = requantise(convolve(layer, image), layer)
    expected = torch.nn.functional.max_pool2d(
        torch.from_numpy(plain.astype(np.float32))[None], kernel, stride, pad)[0].numpy()
    assert np.array_equal(run_layer(layer, image), expected)


def test_wrong_input_is_refused():
    layer = make_layer(np.random.default_rng(0), 2, 2, 4, 1, 1, 0, 1)
    graph = IntegerGraph("small", (layer,), 1.0, 1.0)
    with pytest.raises(ValueError, match=r"input is float64\[2, 4, 4\]; small takes int8"):
        run_golden(graph, np.zeros((2, 4, 4)))


def test_an_accumulator_that_could_overflow_is_refused():
    layer = make_layer(np.random.default_rng(0), 1 << 18, 1, 1, 1, 1, 0, 1,
                       weight=np.full((1, 1 << 18, 1, 1), 127, np.int8))
    with pytest.raises(GraphError, match="layer layer: channel 0 can reach"):
        layer.validate()


def test_a_value_is_the_place_of_an_entry_of_its_channels_table():
    y = np.array([[[-128, 127]], [[0, -1]]], np.int8)
    both = np.stack([np.arange(-128, 128), np.arange(127, -129, -1)]).astype(np.int8)
    assert look_up(y, None) is y
    assert look_up(y, both).tolist() == [[[-128, 127]], [[-1, 0]]]
    assert look_up(y, both[1:]).tolist() == [[[127, -128]], [[-1, 0]]]
