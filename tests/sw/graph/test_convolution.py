"""What shapes say of a layer decides who takes it for fully connected."""

from dataclasses import replace

import numpy as np
import pytest

from hw.config import ArrayConfig, Config
from sw.experiment.arms import layer_kind
from sw.graph.integer import IntegerGraph, Layer, Pool
from sw.lowering.batch import stack_layers
from sw.lowering.encoding import skips_zeros
from sw.lowering.nodes import Node, nodes_of
from tests.support.compiler_cases import make_layer

CONFIG = Config(array=ArrayConfig(zero_skip=True))
LINEAR = make_layer(np.random.default_rng(1), "fc", (4, 2, 2), 4, kernel=(2, 2), padding=(0, 0))


def node(layer: Layer) -> Node:
    return nodes_of(IntegerGraph("net", (layer,), 1.0, 1.0))[0]


def of(kernel: tuple[int, int], **changes) -> Layer:
    return replace(LINEAR, weight=np.zeros((4, 4, *kernel), np.int8), **changes)


def test_a_kernel_that_covers_the_map_is_linear():
    assert LINEAR.gives_vector and LINEAR.is_linear
    assert layer_kind(LINEAR) == "fc" and skips_zeros(node(LINEAR), CONFIG)
    assert stack_layers((node(LINEAR),), 3)[0].layer.images == 3


@pytest.mark.parametrize("layer", [
    of((1, 1), stride=(2, 2)),        # looks at a corner of the map
    of((3, 3)),                       # padded below and beside: the next image's rows, if stacked
    of((3, 3), padding=(1, 1)),
    of((2, 2), padding=(1, 1)),       # looks at a corner, through padding
    of((2, 2), dilation=(2, 1)),      # padded below, in spite of its taps
])
def test_a_vector_from_less_or_more_than_the_map_is_not_linear(layer):
    assert layer.gives_vector and not layer.is_linear
    assert layer_kind(layer) == "fc" and not skips_zeros(node(layer), CONFIG)
    assert stack_layers((node(layer),), 3)[0].layer is layer


def test_a_map_is_no_vector():
    layer = replace(LINEAR, stride=(1, 1), conv_shape=(4, 2, 1), out_shape=(4, 2, 1))
    assert not layer.gives_vector and not layer.is_linear and layer_kind(layer) == "conv"


def test_a_pooled_vector_is_not_batched():
    layer = replace(LINEAR, pool=Pool((1, 1), (1, 1), (0, 0), (1, 1)))
    assert layer.is_linear and not skips_zeros(node(layer), CONFIG)
    assert stack_layers((node(layer),), 3)[0].layer is layer
