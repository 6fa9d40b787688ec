"""Pass 0: the fully connected end of a network over all images of a batch at once.

Their inputs are stacked: B maps of [C, H, W] lie as one of [C, B * H, W], on which the layer is a
convolution of stride H with B output rows. So each of its weights crosses the memory port once
per batch, as a convolution's weights serve all of its pixels.
"""

from collections.abc import Sequence
from dataclasses import replace

from sw.graph.integer import Layer

from .errors import Unsupported
from .nodes import Node, readers_of

__all__ = ["Run", "run_order", "stack_layers"]

_MOST_ROWS = 15  # what an instruction's stride can be

#: A layer, and the image that it is run for; 0 where it is run for all of them.
Run = tuple[int, int]


def stack_layers(nodes: Sequence[Node], batch: int) -> tuple[Node, ...]:
    """Return the layers with those of the fully connected end changed to take all images: those
    that read the one before them and nothing else, and alone.

    Raises
    ------
    Unsupported
        If a map is too high to be stacked, or a layer has factors.
    """
    for node in nodes if batch > 1 else ():
        if node.factors is not None:
            raise Unsupported(node.layer.name, "multiplies each channel by a value, which differs "
                              "from image to image: run the images one by one")
    stacked, readers = list(nodes), readers_of(nodes)
    for k in reversed(range(len(nodes))):
        layer = nodes[k].layer
        if batch == 1 or not (layer.is_linear and layer.pool is None and nodes[k].follows
                              and readers[k] == [k]):
            break
        stacked[k] = nodes[k].running(_stack(layer, batch))
    return tuple(stacked)


def _stack(layer: Layer, batch: int) -> Layer:
    channels, height, width = layer.in_shape
    if height > _MOST_ROWS:
        raise Unsupported(layer.name, f"takes maps of {height} rows; a batch stacks maps of at "
                          f"most {_MOST_ROWS}: pool before it, or run the images one by one")
    shape = (layer.conv_shape[0], batch, 1)
    return replace(layer, stride=(height, 1), in_shape=(channels, batch * height, width),
                   conv_shape=shape, out_shape=shape, images=batch)


def run_order(stacked: Sequence[bool], batch: int) -> tuple[Run, ...]:
    """What runs in turn: image by image what is not stacked, then what is."""
    apart = len(stacked) - sum(stacked)
    return (*((k, image) for image in range(batch) for k in range(apart)),
            *((k, 0) for k in range(apart, len(stacked))))
