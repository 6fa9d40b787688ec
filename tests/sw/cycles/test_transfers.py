"""Layers that wait for transfers: predictions against RTL."""

import numpy as np
import pytest
from torch import nn

from hw.config import PRESETS, Config
from sw.api import capture, compile_graph, quantise, run
from sw.compiler.predict import predict
from tests.support.accelerators import PREDICTED
from tests.support.networks import NETWORKS, settled
from tests.support.present import present

UNET, UNET_SHAPE = NETWORKS["unet"]


def check(config: Config, net: nn.Module, shape: tuple[int, int, int]) -> None:
    """Whole networks within 2%, long layers within 5% where the log has all layers."""
    images = np.random.default_rng(1).standard_normal((2, *shape)).astype(np.float32)
    graph = quantise(capture(settled(net), shape), images)
    measured = run(compile_graph(graph, config), graph.quantise_input(images[0]))
    found = predict(graph, config)
    assert found.cycles == pytest.approx(measured.cycles, rel=0.02)
    if len(graph.layers) > config.buffers.log_entries:
        return
    for layer, mine, theirs in zip(graph.layers, found.layer_cycles, present(measured.layer_cycles),
                                   strict=True):
        assert theirs < 5000 or mine == pytest.approx(theirs, rel=0.05), layer.name


@pytest.mark.builds
@pytest.mark.parametrize("config", [
    pytest.param(PREDICTED["2x4x4"], id="STOREs beside an array that works"),
    pytest.param(PREDICTED["3x9x3"], id="words of several beats")])
def test_predictions_are_those_of_the_rtl(config):
    check(config, nn.Sequential(nn.Conv2d(3, 64, 1), nn.ReLU(), nn.Conv2d(64, 4, 1)), (3, 20, 20))


@pytest.mark.slow
@pytest.mark.builds
@pytest.mark.parametrize(("net", "shape"), [
    pytest.param(nn.Sequential(nn.Conv2d(3, 64, 1)), (3, 28, 28), id="STOREs"),
    pytest.param(nn.Sequential(nn.Conv2d(32, 64, 1), nn.ReLU(),
                               nn.Conv2d(64, 64, 3, 2, 1, groups=64)), (32, 56, 56),
                 id="LOADs beside POSTs"),
    pytest.param(UNET(), UNET_SHAPE, id="short LOADs")])
def test_predictions_of_eight_instances_on_one_port_are_those_of_the_rtl(net, shape):
    check(PRESETS["default"], net, shape)
