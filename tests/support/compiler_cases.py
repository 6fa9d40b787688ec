"""Random integer networks and configurations for the compiler's tests."""

import random

import numpy as np
from hypothesis import strategies as st

from hw.config import ArrayConfig, BufferConfig, Config, PortConfig
from sw.graph.integer import IntegerGraph, Layer, Pool

from .drawn import draw_network

__all__ = ["configs", "graphs", "make_layer"]


def make_layer(rng: np.random.Generator, name: str, in_shape: tuple[int, int, int], out: int, *,
               kernel: tuple[int, int] = (3, 3), stride: int = 1, padding: tuple[int, int] = (1, 1),
               groups: int = 1, pool: tuple[int, int, int] | None = None,
               relu: bool = True) -> Layer:
    """A layer with random weights; `pool` is (window, stride, padding)."""
    channels, height, width = in_shape
    rows, columns = ((size + 2 * pad - k) // stride + 1
                     for size, pad, k in zip((height, width), padding, kernel, strict=True))
    conv = shape = out, rows, columns
    pooled = None
    if pool is not None:
        size, step, pad = pool
        rows, columns = ((n + 2 * pad - size) // step + 1 for n in (rows, columns))
        pooled = Pool((size, size), (step, step), (pad, pad), (rows, columns))
        shape = out, rows, columns
    fan_in = channels // groups * kernel[0] * kernel[1]
    shift = int(np.clip(np.log2(fan_in) / 2 + 14, 0, 47))
    return Layer(
        name=name, weight=rng.integers(-128, 128, (out, channels // groups, *kernel), np.int8),
        bias=rng.integers(-1000, 1000, out, np.int32),
        mult=rng.integers(0, 1 << 10, out).astype(np.uint16),
        shift=(shift + rng.integers(-2, 3, out)).astype(np.uint8),
        low=0 if relu else -128, high=127, stride=(stride, stride), padding=padding, groups=groups,
        in_shape=in_shape, conv_shape=conv, out_shape=shape, pool=pooled)


@st.composite
def configs(draw) -> Config:
    """Small accelerators, with odd arrays, narrow ports and short queues."""
    rows = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 16]))
    cols = draw(st.sampled_from([1, 2, 3, 4, 6, 8]))
    port_bytes = draw(st.sampled_from([4, 8, 16, 64]))
    may_skip = rows == cols and port_bytes % cols == 0
    return Config(
        instances=draw(st.sampled_from([1, 2, 3, 4, 8])),
        array=ArrayConfig(rows=rows, cols=cols, zero_skip=may_skip and draw(st.booleans())),
        buffers=BufferConfig(act_words=draw(st.sampled_from([256, 512, 1024, 4096])),
                             acc_depth=draw(st.sampled_from([16, 32, 64, 256])),
                             weight_fifo_beats=32, queue_depth=draw(st.integers(1, 9))),
        port=PortConfig(memory=draw(st.sampled_from(["shared", "private"])),
                        bytes=port_bytes, burst_beats=8))


class _Drawn(IntegerGraph):
    """A network that is shown by its recipe."""

    def __repr__(self) -> str:
        return self.name


def _drawn(seed: int) -> IntegerGraph:
    recipe = draw_network("2x4x4", random.Random(seed))
    graph = recipe.graph
    return _Drawn(str(recipe), graph.layers, graph.input_scale, graph.output_scale, graph.joins)


def graphs() -> st.SearchStrategy[IntegerGraph]:
    """Networks as the random ones in RTL are, for any accelerator."""
    return st.integers(0, 2**64 - 1).map(_drawn)
