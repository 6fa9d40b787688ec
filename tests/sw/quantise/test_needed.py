"""Zero points where they help, unless they are forbidden, and larger channels below clamps."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from sw.check import parser
from sw.experiment.choice import choice_from_arguments
from sw.frontend.torch import capture
from sw.graph.floating import FloatGraph
from sw.quantise import needed
from sw.quantise.equalise import channel_factors
from sw.quantise.held_out import kept
from sw.quantise.needed import quantise_as, quantise_as_needed
from sw.quantise.noise import signal_to_noise
from sw.quantise.post_training import quantise, quantise_shown
from sw.quantise.scaled import Scaled
from sw.quantise.shown import Shown
from sw.terminal.options import MORE, as_typed
from tests.support.floating import run_float
from tests.support.networks import settled

IMAGES = np.random.default_rng(2).standard_normal((20, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def graph() -> FloatGraph:
    return capture(settled(nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))),
        (3, 8, 8))


def test_zeros_are_0_where_that_keeps_enough(graph):
    found = quantise_as_needed(graph, IMAGES)
    assert found.chosen.symmetric and not found.note
    assert not any(layer.offset or layer.pad_value for layer in found.graph.layers)


def test_values_have_zero_points_where_these_keep_more(graph, monkeypatch):
    monkeypatch.setattr(needed, "ENOUGH", 1000.0)
    found = quantise_as_needed(graph, IMAGES)
    assert not found.chosen.symmetric and found.graph.layers[0].offset == -128
    assert found.note.startswith("values have zero points (--symmetric forbids them): ")
    more, without = map(float, re.findall(r"[\d.]+", found.note)[:2])
    assert more > without


def test_the_output_that_keeps_least_decides(monkeypatch):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)

        def forward(self, x):
            y = torch.relu(self.first(x))
            return y, torch.relu(self.second(y))

    graph = capture(settled(Two()), (3, 8, 8))
    kept = signal_to_noise(graph, quantise(graph, IMAGES, equal=False, nearest=False),
                           IMAGES[:16]).values()
    monkeypatch.setattr(needed, "ENOUGH", (min(kept) + max(kept)) / 2)
    assert not quantise_as_needed(graph, IMAGES).chosen.symmetric


def test_none_where_they_keep_no_more(graph, monkeypatch):
    monkeypatch.setattr(needed, "kept", lambda real, graph, images: 10.0)
    assert quantise_as_needed(graph, IMAGES).chosen.symmetric


def test_symmetric_forbids_them(graph, monkeypatch):
    monkeypatch.setattr(needed, "ENOUGH", 1000.0)
    found = quantise_as_needed(graph, IMAGES, symmetric=True)
    assert found.chosen.symmetric and not any(layer.offset for layer in found.graph.layers)


@pytest.mark.parametrize(("more", "symmetric"), [
    ((), False), (("--symmetric",), True), (("--zero-skip",), True)])
def test_the_option_and_skipped_zeros_forbid_them(more, symmetric, tmp_path):
    (tmp_path / "net.py").write_text("")
    args = parser().parse_args([f"{tmp_path / 'net.py'}:net", "--input-shape", "1x8x8", *more])
    assert choice_from_arguments(args).symmetric is symmetric
    assert ("--symmetric" in as_typed(args, MORE)) is ("--symmetric" in more)


@pytest.mark.parametrize("better", [False, True])
def test_biases_make_up_for_rounding_where_that_keeps_more(graph, better, monkeypatch):
    def constant(real, integers, images):
        return 10.0 + better * any(not np.array_equal(a.bias, b.bias) for a, b in zip(
            integers.layers, plain.layers, strict=True))

    plain = quantise(graph, IMAGES, nearest=False)
    monkeypatch.setattr(needed, "kept", constant)
    found = quantise_as_needed(graph, IMAGES, symmetric=True)
    right = quantise(graph, IMAGES, nearest=False, correct=better)
    assert all(np.array_equal(a.bias, b.bias) and np.array_equal(a.weight, b.weight)
               for a, b in zip(found.graph.layers, right.layers, strict=True))
    assert found.note == better * (
        "biases make up for what rounding adds to sums on average: 11.0 dB at the output on images "
        "of the calibration, 10.0 without")


# -- channels below a clamp ------------------------------------------------------------------------
@pytest.fixture(scope="module")
def clamped() -> FloatGraph:
    """Channels of very unequal sizes between two clamps, most of which they never reach."""
    first, second = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 12, 3, groups=12)
    module = settled(nn.Sequential(first, nn.ReLU6(), second, nn.ReLU6(), nn.Conv2d(12, 6, 3)))
    sizes = torch.logspace(-1.5, 1.5, 12)
    first.weight.data *= sizes[:, None, None, None]
    second.weight.data /= sizes[:, None, None, None]
    return capture(module, (3, 8, 8))


def test_channels_that_stay_below_a_clamp_can_grow_as_far_as_it_lets_them(clamped):
    """Those that reach it stay as they are; on the images it is the same function."""
    images, others = IMAGES[:16], IMAGES[16:]
    scaled = Scaled(clamped, channel_factors(clamped, images, clamped=True))
    by = torch.from_numpy(scaled.factors.outputs[clamped.layers[0].name])
    first = run_float(clamped.with_layers(list(clamped.layers[:1])), images)[-1]
    assert by.max() == 1 and by.min() <= 1 / 8
    assert (first.amax((0, 2, 3)) / by <= 6).all()
    assert torch.equal(run_float(scaled.whole(), images)[-1], run_float(clamped, images)[-1])
    without, more = (kept(network, quantise_shown(Shown(network, images)), others)
                     for network in (Scaled(clamped), scaled))
    assert more > without + 3
    assert not channel_factors(clamped, images).outputs


@pytest.mark.parametrize("symmetric", [False, True])
def test_they_grow_where_that_keeps_more_on_images_held_out(clamped, symmetric, monkeypatch):
    monkeypatch.setattr(needed, "ENOUGH", 1000.0)
    found = quantise_as_needed(clamped, IMAGES, symmetric=symmetric)
    assert found.real.factors.outputs and found.chosen.grown
    zeros, grown, *_ = [*([""] if symmetric else []), *found.note.split("; ")]
    more, without = map(float, re.findall(r"[\d.]+", grown)[:2])
    assert grown.startswith("channels below their clamps are as large as") and more > without
    assert zeros.startswith("values have zero points (" * (not symmetric))
    again = quantise_as(clamped, IMAGES, found.chosen)
    assert all(np.array_equal(getattr(a, x), getattr(b, x)) for a, b in zip(
        found.graph.layers, again.graph.layers, strict=True)
        for x in ("weight", "bias", "mult", "shift"))


@pytest.mark.parametrize("images", [
    pytest.param(IMAGES * np.where(np.arange(20) < 10, 0.05, 1).reshape(-1, 1, 1, 1).astype("f4"),
                 id="the others are larger"),
    pytest.param(IMAGES * (np.arange(20) < 10).reshape(-1, 1, 1, 1).astype("f4"), id="zero"),
    pytest.param(list(IMAGES[:1]), id="no others")])
def test_they_stay_as_they_are_where_it_does_not(clamped, images, monkeypatch):
    monkeypatch.setattr(needed, "ENOUGH", 1000.0)
    assert not quantise_as_needed(clamped, images).real.factors.outputs


def test_nothing_is_looked_at_where_the_output_keeps_enough(clamped, monkeypatch):
    monkeypatch.setattr(needed, "ENOUGH", 1.0)
    found = quantise_as_needed(clamped, IMAGES)
    assert found.chosen.symmetric and not found.real.factors.outputs and not found.note
