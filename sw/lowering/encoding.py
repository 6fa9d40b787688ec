"""What of a layer's shape an instruction can hold, and which layers skip zeros."""

from collections.abc import Iterable

from hw.config import Config
from sw.graph.integer import Layer
from sw.graph.records import RECORD

from .errors import Unsupported
from .geometry import Spans, size
from .nodes import Node

__all__ = ["can_hold", "check_encoding", "fewer_images", "multiplies", "skips_zeros"]

#: What positions in a plane reach to in the hardware.
_MOST_EXTENT = 2048
_MOST_SIDE = 1023


def skips_zeros(node: Node, config: Config) -> bool:
    """Whether the hardware skips a layer's zero inputs: it is fully connected, no sum, and its
    inputs have no zero point, which is what zeros would be then."""
    layer = node.layer
    return (config.array.zero_skip and layer.images == 1 and len(node.reads) == 1
            and layer.is_linear and layer.pool is None and layer.pad_value == 0
            and layer.table is None and layer.factors is None)


def check_encoding(node: Node, config: Config) -> None:
    """Refuse what no instruction can say.

    Raises
    ------
    Unsupported
        Naming the layer, its term, the value and what it can be.
    """
    layer, pool = node.layer, node.layer.pool
    limits = []
    for n, read in enumerate(node.reads):
        conv, term = read.conv, f"term {n - 1}: " if n else ""
        limits += [(f"{term}{what}", value, most) for what, value, most in (
            ("stride", max(conv.stride), 15), ("dilation", max(conv.dilation), 127),
            ("kernel", max(conv.kernel), 255), ("padding", max(conv.padding), 127),
            ("kernel with its dilation", max(conv.reach), _MOST_EXTENT))]
        if layer.images > 1 or layer.is_linear:  # what is not cut into tiles
            limits.append((f"{term}map size", max(*conv.in_shape[1:], *conv.conv_shape[1:]),
                           _MOST_SIDE))
    if pool is not None:
        limits += [("pooling window", max(pool.kernel), 15),
                   ("pooling stride", max(pool.stride), 15),
                   ("pooling padding", max(pool.padding), 15)]
    for what, value, most in limits:
        if value > most:
            raise Unsupported(layer.name, f"{what} is {value}; it must be at most {most}"
                              + _or_fewer(layer))
    if layer.table is not None and not config.array.tables:
        raise Unsupported(layer.name, "its outputs go through tables, which this accelerator does "
                          "not have; " + ("the microcoded core never has: take a pipelined one, "
                                          "or ReLU" if config.core == "microcoded" else
                                          "set array.tables (--tables), or take ReLU"))
    if layer.factors is not None:
        _check_factors(layer, config)
    if layer.epsilon and not skips_zeros(node, config):
        raise Unsupported(layer.name, f"epsilon is {layer.epsilon}; small inputs count as zero "
                          "only in fully connected layers without tables whose inputs have no zero "
                          "point, image by image, with array.zero_skip" + _or_fewer(layer))


def multiplies(config: Config) -> bool:
    """Whether layers can multiply by a value: its bytes are stored as parameters of a stream, in
    words of which each is written whole."""
    rows, cols = config.array.rows, config.array.cols
    return config.core == "pipelined" and config.word_pitch_bytes == rows \
        and (RECORD % rows == 0 or cols % rows == 0)


def _check_factors(layer: Layer, config: Config) -> None:
    """Refuse a multiplication by a value whose bytes cannot be stored as a stream's parameters."""
    array = config.array
    if multiplies(config):
        return
    if config.core == "microcoded":
        raise Unsupported(layer.name, f"multiplies each channel by a value, {layer.factors}; the "
                          "microcoded core cannot: take a pipelined one")
    raise Unsupported(layer.name, f"multiplies each channel by a value, {layer.factors}, which an "
                      f"array of {array} cannot: array.rows must be a power of "
                      f"two, at most {RECORD} or a divisor of array.cols")


def can_hold(node: Node, axis: int, of: Iterable[Spans]) -> bool:
    """Whether instructions can say what parts of a layer's output take: their rows (axis 0) or
    columns (1)."""
    return all(max(size(span.read), size(span.conv)) <= _MOST_SIDE
               and (size(span.conv) - 1) * conv.stride[axis] - span.pad + conv.reach[axis]
               <= _MOST_EXTENT for spans in of
               for span, conv in zip(spans, (read.conv for read in node.reads), strict=True))


def fewer_images(layer: Layer) -> list[str]:
    """That as a remedy, if the layer takes a batch."""
    return [f"take fewer than {layer.images} images at a time"] if layer.images > 1 else []


def _or_fewer(layer: Layer) -> str:
    return "".join(f", or {remedy}" for remedy in fewer_images(layer))
