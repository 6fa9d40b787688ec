"""Zero points where they help, unless they are forbidden."""

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
from sw.quantise.needed import quantise_as_needed
from sw.quantise.noise import signal_to_noise
from sw.quantise.post_training import quantise
from sw.terminal.options import MORE, as_typed
from tests.support.networks import settled

IMAGES = np.random.default_rng(2).standard_normal((20, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def graph() -> FloatGraph:
    return capture(settled(nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))),
        (3, 8, 8))


def test_zeros_are_0_where_that_keeps_enough(graph):
    found = quantise_as_needed(graph, IMAGES)
    assert found.symmetric and not found.note
    assert not any(layer.offset or layer.pad_value for layer in found.graph.layers)


def test_values_have_zero_points_where_these_keep_more(graph, monkeypatch):
    monkeypatch.setattr(needed, "ENOUGH", 1000.0)
    found = quantise_as_needed(graph, IMAGES)
    assert not found.symmetric and found.graph.layers[0].offset == -128
    kept, without = map(float, re.findall(r"[\d.]+", found.note))
    assert kept > without


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
    assert not quantise_as_needed(graph, IMAGES).symmetric


def test_none_where_they_keep_no_more(graph, monkeypatch):
    monkeypatch.setattr(needed, "_kept", lambda real, graph, images: 10.0)
    assert quantise_as_needed(graph, IMAGES).symmetric


def test_symmetric_forbids_them(graph, monkeypatch):
    monkeypatch.setattr(needed, "ENOUGH", 1000.0)
    found = quantise_as_needed(graph, IMAGES, symmetric=True)
    assert found.symmetric and not any(layer.offset for layer in found.graph.layers)


@pytest.mark.parametrize(("more", "symmetric"), [
    ((), False), (("--symmetric",), True), (("--zero-skip",), True)])
def test_the_option_and_skipped_zeros_forbid_them(more, symmetric, tmp_path):
    (tmp_path / "net.py").write_text("")
    args = parser().parse_args([f"{tmp_path / 'net.py'}:net", "--input-shape", "1x8x8", *more])
    assert choice_from_arguments(args).symmetric is symmetric
    assert ("--symmetric" in as_typed(args, MORE)) is ("--symmetric" in more)
