"""What the sums of residual networks cost: an identity is a term of the accumulator."""

from dataclasses import replace

import numpy as np
import pytest

from hw.config import BufferConfig, Config
from sw.api import capture, quantise
from sw.compiler.predict import predict
from tests.support.networks import settled
from tests.support.published import PUBLISHED


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("resnet18", 0.05), ("resnet50", 0.08)])
def test_sums_of_published_networks_cost_little(name, most):
    """On eight instances of 8x8, beside the same network without identities."""
    make, shape = PUBLISHED[name]
    images = np.random.default_rng(1).standard_normal((1, *shape)).astype(np.float32)
    graph = quantise(capture(settled(make()), shape), images)
    without = replace(graph, layers=tuple(replace(layer, terms=tuple(
        term for term in layer.terms if not term.is_diagonal)) for layer in graph.layers))
    config = Config(instances=8, buffers=BufferConfig(log_entries=64))
    costs = predict(graph, config).cycles / predict(without, config).cycles - 1
    assert 0 < costs < most, f"{costs:.2%}"
