"""Networks in their published sizes, in RTL: each layer exact, and cycles as predicted."""

import numpy as np
import pytest

from hw.config import ArrayConfig, BufferConfig
from sw.api import Config, capture, compile_graph, quantise, run, run_golden
from sw.compiler.predict import predict
from tests.support.networks import settled
from tests.support.present import present, same
from tests.support.published import PUBLISHED

pytestmark = [pytest.mark.builds, pytest.mark.slow]

#: Of the predicted cycles: how far those of the whole network may be, and of a long layer.
NETWORK, LAYER, LONG = 0.02, 0.05, 5000
#: Those with functions that no clamp is.
TABLES = ("darknet", "mobilenet_v3_small")


@pytest.mark.filterwarnings("ignore:.*softmax at the end")
@pytest.mark.parametrize("name", PUBLISHED)
def test_each_layer_is_exact_and_takes_the_cycles_that_were_predicted(name, capsys):
    make, shape = PUBLISHED[name]
    images = np.random.default_rng(1).standard_normal((2, *shape)).astype(np.float32)
    graph = quantise(capture(settled(make()), shape), images)
    config = Config(instances=8, array=ArrayConfig(tables=name in TABLES), buffers=BufferConfig(
        log_entries=64 if len(graph.layers) <= 64 else 128))
    image, expected = graph.quantise_input(images[0]), predict(graph, config)
    with capsys.disabled():
        print(f"\n{name}: {expected.cycles:,} cycles predicted", flush=True)
        result = run(compile_graph(graph, config), image)
        print(f"{name}: {result.cycles:,} in RTL, {result.cycles / expected.cycles - 1:+.2%}")
    for layer, ours, theirs in zip(graph.layers, result.outputs, run_golden(graph, image),
                                   strict=True):
        assert same(ours, theirs), layer.name
    close = result.cycles == pytest.approx(expected.cycles, rel=NETWORK)
    far = [f"{layer.name}: {cycles:,}, predicted {predicted:,}" for layer, cycles, predicted in zip(
        graph.layers, present(result.layer_cycles), expected.layer_cycles, strict=True)
        if cycles >= LONG and cycles != pytest.approx(predicted, rel=LAYER)]
    assert close, f"{result.cycles:,} cycles, predicted {expected.cycles:,}"
    assert not far, far
