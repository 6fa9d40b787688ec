"""A multiplication of each channel by a value, in random networks."""

import random
from dataclasses import replace

import numpy as np

from hw.config import Config
from sw.graph.integer import Layer
from sw.graph.records import FACTOR, RECORD, records_of

from .making import OUTPUTS, ZERO_POINTS, Growing, Numbers, Shape, Window, make_layer

__all__ = ["draw_excite", "make_excite"]


def draw_excite(draw: random.Random, shape: Shape, config: Config) -> dict[str, int]:
    return {"low": draw.choice([0, -128, -128]), "offset": draw.choice(ZERO_POINTS),
            "dead": draw.choice([0, 0, 50]), "shift": draw.randint(6, 15)}


def make_excite(rng: np.random.Generator, name: str, net: Growing, numbers: Numbers) -> None:
    """A value times what a layer makes of each of its channels: that layer, the one that gives
    factors of it, and the multiplication."""
    source, shape = net.value(numbers["back"])
    channels = shape[0]
    made = make_layer(rng, f"{name}s", shape, Window(shape[1:]), {
        **OUTPUTS, "out": channels, "groups": channels, "pool": 1, "pool_w": 0,
        "dead": numbers["dead"]})
    net.add(made, numbers["back"])
    records = records_of(rng.integers(-9000, 9000, channels), 0, numbers["shift"])
    weight = np.zeros((channels, RECORD, 1, 1), np.int8)
    weight[:, FACTOR] = 1
    flat = RECORD * channels
    net.layers.append(replace(
        made, name=f"{name}f", weight=weight.reshape(flat, 1, 1, 1),
        bias=records, mult=np.full(flat, 1 << 14, np.uint16),
        shift=np.full(flat, 14, np.uint8), low=-128, in_shape=(channels, 1, 1),
        conv_shape=(flat, 1, 1), out_shape=(flat, 1, 1), source=None))
    zero = np.zeros(channels, np.uint8)
    net.layers.append(Layer(
        name, rng.integers(-127, 128, (channels, 1, 1, 1), dtype=np.int8),
        zero.astype(np.int32), zero.astype(np.uint16), zero, numbers["low"], 127, (1, 1), (0, 0),
        channels, shape, shape, shape, offset=numbers["offset"], source=source,
        factors=f"{name}f"))
    net.values.append((name, shape))
