"""Pass 2: stripes, and what lies where in activation memory while a layer runs."""

from dataclasses import dataclass

from hw.config import Config
from sw.graph.integer import Layer

from .errors import DoesNotFit, Unsupported, raising
from .geometry import Window, ceil_div, parts, window
from .split import Item, Split
from .switches import switches

__all__ = ["FIRST_WORDS", "LayerPlan", "plan_layer", "skips_zeros"]

#: Least words of the first load that a stripe's computation starts on.
FIRST_WORDS = 64
_LATENCY_CYCLES = 80  # from a load's start to its first vector in the array
_STRIPE_CYCLES = 10  # what a stripe costs besides
_PIECES = 3  # input buffers where a stripe's input is held in part, where they fit
_SLOTS = 3  # of the output ring, where they fit


@dataclass(frozen=True)
class LayerPlan:
    """One layer's stripes and activation memory, alike on all instances.

    Members
    -------
    stripes : for each instance a tuple of `Window`, empty without an item
    resident : the input is already in activation memory
    low : the input lies at the low end of the memory, the output at the high end; else swapped
    inputs : base addresses of the input buffers; of those for whole stripes, 1 or 2, used in turn
    input_words : words of one input buffer
    piece : input word blocks loaded at a time, for each output block anew; 0: a stripe's
        whole input is held
    keep : the whole output stays in activation memory
    outputs : base addresses of the output ring's slots, or of the whole output if `keep`
    output_words : words from the first to past the last of the output
    group : units of output channels that are post-processed and stored at a time, at most
    live_blocks : output blocks, at most, for which live inputs are fetched at a time; 0: zeros
        are not skipped
    """

    stripes: tuple[tuple[Window, ...], ...]
    resident: bool
    low: bool
    inputs: tuple[int, ...]
    input_words: int
    piece: int
    keep: bool
    outputs: tuple[int, ...]
    output_words: int
    group: int
    live_blocks: int = 0

    @property
    def output_base(self) -> int:
        """Lowest address of the output."""
        return min(self.outputs)


def plan_layer(layer: Layer, split: Split, config: Config, source: LayerPlan | None,
               keep: bool) -> LayerPlan:
    """LayerPlan a layer.

    Parameters
    ----------
    source : LayerPlan or None
        That of the previous layer if its output is this layer's resident input.
    keep : bool
        Leave the output in activation memory.

    Raises
    ------
    DoesNotFit, Unsupported
    """
    _check_encoding(layer, config)
    if layer.epsilon and not skips_zeros(layer, config):
        raise Unsupported(layer.name, f"epsilon is {layer.epsilon}; small inputs count as zero "
                          "only in fully connected layers, image by image, with "
                          "array.zero_skip" + _or_fewer(layer))
    items = [i for i in split.items if i is not None]
    tallest = max(i.rows[1] - i.rows[0] for i in items)
    fewest = _fewest_stripes(layer, items, config, tallest)
    counts = _stripe_counts(fewest, tallest) if layer.images == 1 else [1]
    makers = [_Space(layer, split, config, source, keep, count) for count in counts]
    if source is not None:
        makers = makers[:1]
    best: tuple[float, LayerPlan] | None = None
    for space in makers:
        single = source is not None or space.count == 1 or not switches().two_buffers
        for buffers in (1,) if single else (2, 1):
            plan = space.whole(buffers)
            if plan is not None:
                cost = space.cost(buffers)
                if best is None or cost < best[0]:
                    best = cost, plan
    if best is None and source is None:
        for space in makers:
            plan = space.pieces()
            if plan is not None:
                return plan
    if best is None:
        space = makers[-1]
        raise DoesNotFit(layer.name, f"{space.least} words of activation memory at least",
                         f"{config.buffers.act_words}",
                         raising(config, "buffers.act_words", space.least, *_fewer(layer),
                                 "make its input map smaller"))
    return best[1]


def skips_zeros(layer: Layer, config: Config) -> bool:
    """Whether the hardware skips a layer's zero inputs: it is fully connected."""
    return (config.array.zero_skip and layer.images == 1 and layer.is_linear
            and layer.pool is None)


def _fewer(layer: Layer) -> list[str]:
    return [f"take fewer than {layer.images} images at a time"] if layer.images > 1 else []


def _or_fewer(layer: Layer) -> str:
    return "".join(f", or {remedy}" for remedy in _fewer(layer))


def _stripe_counts(fewest: int, most: int) -> list[int]:
    """Candidate numbers of stripes, all small ones and then in growing steps."""
    counts, count = [], fewest
    while count < most:
        counts.append(count)
        count += 1 + (count - fewest) // 8
    return [*counts, most]


def _check_encoding(layer: Layer, config: Config) -> None:
    pool = layer.pool
    limits = [("stride", layer.stride, 15), ("kernel", max(layer.kernel), 255),
              ("padding", max(layer.padding), 127),
              ("map size", max(*layer.in_shape[1:], *layer.conv_shape[1:]), 1023)]
    if pool is not None:
        if pool.stride[0] != pool.stride[1]:
            raise Unsupported(layer.name, f"pools with strides {pool.stride}; they must be equal")
        limits += [("pooling window", max(pool.kernel), 15), ("pooling stride", pool.stride[0], 15),
                   ("pooling padding", max(pool.padding), 15)]
    for what, value, most in limits:
        if value > most:
            raise Unsupported(layer.name, f"{what} is {value}; it must be at most {most}"
                              + _or_fewer(layer))


def _fewest_stripes(layer: Layer, items: list[Item], config: Config, tallest: int) -> int:
    width, depth = layer.conv_shape[2], config.buffers.acc_depth
    if layer.images > depth:
        raise DoesNotFit(layer.name, f"accumulators for {layer.images} images",
                         f"{depth} pixels",
                         raising(config, "buffers.acc_depth", layer.images, *_fewer(layer)))
    for count in range(1, tallest + 1):
        rows = max(w.conv[1] - w.conv[0] for ranges in {i.rows for i in items}
                   for w in _stripes(layer, ranges, count))
        if rows * width <= depth:
            return count
    raise DoesNotFit(layer.name, f"accumulators for {rows} rows of {width} pixels",
                     f"{depth} pixels", raising(config, "buffers.acc_depth", rows * width,
                                                "make the image narrower"))


def _stripes(layer: Layer, rows: tuple[int, int], count: int) -> tuple[Window, ...]:
    return tuple(window(layer, a, b) for a, b in parts(*rows, count) if a < b)


class _Space:
    """Sizes for one number of stripes, and the plans that they allow."""

    def __init__(self, layer: Layer, split: Split, config: Config, source: LayerPlan | None,
                 keep: bool, count: int):
        self.layer, self.config, self.source = layer, config, source
        self.keep, self.count = keep, count
        items = [i for i in split.items if i is not None]
        of_rows = {rows: _stripes(layer, rows, count) for rows in {i.rows for i in items}}
        self.stripes = tuple(() if i is None else of_rows[i.rows] for i in split.items)
        highest = {rows: max(w.rows[1] - w.rows[0] for w in ws) for rows, ws in of_rows.items()}
        width, out_width = layer.in_shape[2], layer.out_shape[2]
        self.plane = max(highest.values()) * width
        self.blocks = max(i.inputs[1] - i.inputs[0] for i in items)
        self.input_words = max((i.inputs[1] - i.inputs[0]) * highest[i.rows]
                               for i in items) * width
        unit_planes = config.unit_channels // config.array.rows
        self.unit = max(w.out[1] - w.out[0] for ws in of_rows.values() for w in ws) \
            * out_width * unit_planes
        per_unit = config.unit_channels // config.array.cols
        self.units = max(ceil_div(i.blocks[1] - i.blocks[0], per_unit) for i in items)
        self.whole_output = max(
            ceil_div((i.blocks[1] - i.blocks[0]) * config.array.cols, config.array.rows)
            * (i.rows[1] - i.rows[0]) for i in items) * out_width
        self.items = items

    @property
    def least(self) -> int:
        """Words without which no plan works."""
        held = self.source.output_words if self.source else self.plane
        return held + (self.whole_output if self.keep else self.unit)

    def cost(self, buffers: int) -> float:
        """Estimated cycles: the array or the port, and loads that nothing overlaps.

        With one buffer each stripe waits for its first load, with two only the first does.
        """
        config, layer = self.config, self.layer
        words_per_cycle = min(1.0, config.port.bytes / config.word_pitch_bytes)
        taps = layer.kernel[0] * layer.kernel[1]
        tiles = max(sum((s.blocks[1] - s.blocks[0]) * (s.inputs[1] - s.inputs[0])
                        for s in i.segments) for i in self.items) * taps
        weights = self.count * tiles * config.tile_chunks * config.chunk_bytes / config.port.bytes
        loads = self.count * self.input_words * config.word_pitch_bytes / config.port.bytes
        if config.port.memory == "shared":
            weights *= len({i.blocks for i in self.items})
            loads *= len({(i.inputs, i.rows) for i in self.items})
        rows = max(sum(w.conv[1] - w.conv[0] for w in ws) for ws in {*self.stripes} if ws)
        compute = tiles * max(rows * layer.conv_shape[2], self.count * config.tile_chunks)
        first = _LATENCY_CYCLES + max(self.plane, FIRST_WORDS) / words_per_cycle
        waits = first * (self.count if buffers == 1 else 1) + _STRIPE_CYCLES * self.count
        port = weights + loads
        return max(compute, self.count * self.input_words, port) + 0.01 * port + waits

    def whole(self, buffers: int) -> LayerPlan | None:
        """A plan that holds a stripe's whole input, or None."""
        if self.source is not None:
            held, low = self.source.output_words, not self.source.low
            inputs: tuple[int, ...] = (self.source.output_base,)
        else:
            held, low = buffers * self.input_words, True
            inputs = tuple(k * self.input_words for k in range(buffers))
        return self._place(held, low, inputs, self.input_words, 0)

    def pieces(self) -> LayerPlan | None:
        """A plan that loads a few input blocks at a time, or None."""
        room = self.config.buffers.act_words - (self.whole_output if self.keep else self.unit)
        for buffers in range(_PIECES, 0, -1):
            piece = min(self.blocks, room // (buffers * self.plane))
            if piece >= 1:
                words = piece * self.plane
                return self._place(buffers * words, True,
                                   tuple(k * words for k in range(buffers)), words, piece)
        return None

    def _place(self, held: int, low: bool, inputs: tuple[int, ...], input_words: int,
               piece: int) -> LayerPlan | None:
        total = self.config.buffers.act_words
        room = total - held
        live = self.config.live_blocks if skips_zeros(self.layer, self.config) else 0
        if self.keep:
            group, slots, size = self.units, 1, self.whole_output
        else:
            slots = min(_SLOTS, room // self.unit if self.unit else 0)
            if slots < 1:
                return None
            group = max(1, min(max(ceil_div(self.units, 4), live), room // (slots * self.unit)))
            if live > group:  # whole beats, if it can be
                per_beat = self.config.port.bytes // self.config.array.cols
                live = max(group // per_beat * per_beat, min(group, per_beat))
            size = group * self.unit
        if slots * size > room:
            return None
        base = total - slots * size if low else 0
        return LayerPlan(self.stripes, self.source is not None, low, inputs, input_words, piece,
                    self.keep, tuple(base + k * size for k in range(slots)), slots * size, group,
                    live)
