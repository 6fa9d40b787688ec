"""Pass 3: where tensors and weight streams lie in external memory, and who reads which together."""

from hw.config import Config
from sw.graph.integer import Layer

from .geometry import ceil_div
from .layout import Allocator, Layout, StreamFill, StreamPlace, TensorPlace
from .split import Item
from .stage import Stage
from .steps import Step, load_pieces, plane_words
from .streams import stream_alignment, stream_bytes, stream_chunks
from .switches import switches

__all__ = ["lay_out"]

_NO_STREAM = StreamPlace(0, 0, 0)


def lay_out(stages: list[Stage], batch: int, config: Config, memory: Allocator) -> Layout:
    """Place the tensors of `batch` images and the weight streams of all layers."""
    layers = [s.layer for s in stages]
    shapes = [_one_image(layers[0].in_shape, layers[0]),
              *(_one_image(layer.out_shape, layer) for layer in layers)]
    # A tensor is stacked if the layer that reads it takes it so, the last as it is written.
    readers = [*layers, layers[-1]]
    tensors = tuple(_tensor(shape, reader.images > 1, batch, config, memory)
                    for shape, reader in zip(shapes, readers, strict=True))
    tensor_bytes = memory.bytes
    streams, masks, fills = [], [], []
    together = _multicasts(stages, config)
    for stage in stages:
        placed, parts = _streams(stage, config, memory, together)
        streams.append(placed)
        fills += parts
        masks.append(_load_masks(stage, config))
    return Layout(tensors, tensor_bytes, tuple(streams), tuple(masks), tuple(fills))


def _tensor(shape: tuple[int, int, int], stacked: bool, batch: int, config: Config,
            memory: Allocator) -> TensorPlace:
    """Place what `batch` images have of one shape."""
    image = shape[1] * shape[2] * config.word_pitch_bytes
    blocks = ceil_div(shape[0], config.array.rows)
    offset = memory.take(blocks * batch * image)
    if stacked:
        return TensorPlace(offset, batch * image, shape, batch, image)
    return TensorPlace(offset, image, shape, batch, blocks * image)


def _one_image(shape: tuple[int, int, int], layer: Layer) -> tuple[int, int, int]:
    return shape[0], shape[1] // layer.images, shape[2]


def _multicasts(stages: list[Stage], config: Config) -> set[int]:
    """Masks of weight multicasts, those of the longest streams first, equal or disjoint.

    The interconnect takes any multicast request of a member for its answer, and weights are
    requested across layers, so an instance must not take part under two masks.
    """
    sizes: dict[int, int] = {}
    for stage in stages:
        keys = [_stream_key(item, stage, i) for i, item in enumerate(stage.split.items)]
        for key in {k for k in keys if k is not None}:
            mask = _mask(keys, key)
            sizes[mask] = sizes.get(mask, 0) + key[0] * stream_chunks(stage.layer, key[1], config)
    accepted: set[int] = set()
    if not switches().multicast:
        return accepted
    for mask in sorted(sizes, key=lambda m: (-sizes[m], m)):
        if mask and not any(mask & other for other in accepted):
            accepted.add(mask)
    return accepted


def _streams(stage: Stage, config: Config, memory: Allocator, together: set[int],
             ) -> tuple[tuple[StreamPlace, ...], list[StreamFill]]:
    """Place each instance's weight stream; equal ones are placed once and multicast."""
    keys = [_stream_key(item, stage, i) for i, item in enumerate(stage.split.items)]
    places: dict[object, StreamPlace] = {}
    fills: list[StreamFill] = []
    beside: list[int] = []
    for key in keys:
        if key is None or key in places:
            continue
        steps = key[1]
        mask = _mask(keys, key)
        align = stream_alignment(steps, config)
        offset = memory.take(stream_bytes(stage.layer, steps, config) + align - 1, beside)
        offset = -(-offset // align) * align
        if config.port.memory == "shared":
            beside.append(offset)
        places[key] = StreamPlace(offset, stream_chunks(stage.layer, steps, config),
                                  mask if mask in together else 0)
        fills.append((stage.layer, steps, offset))
    return tuple(_NO_STREAM if k is None else places[k] for k in keys), fills


def _stream_key(item: Item | None, stage: Stage, instance: int,
                ) -> tuple[int, tuple[Step, ...]] | None:
    """Stripes and COMPUTEs: equal for instances that use the same stream equally often."""
    if item is None:
        return None
    stripes = stage.plan.stripes[instance]
    return len(stripes), stage.steps(instance)


def _load_masks(stage: Stage, config: Config) -> tuple[int, ...]:
    """For each instance, those that load exactly the same; 0 for itself alone."""
    width = stage.layer.in_shape[2]
    keys: list[object] = []
    for i, item in enumerate(stage.split.items):
        if item is None or stage.plan.resident:
            keys.append(None)
            continue
        stripes = stage.plan.stripes[i]
        plane = plane_words(stripes[0], width)
        if stage.plan.piece:
            loads = tuple(s.inputs for s in stage.steps(i))
        else:
            loads = tuple(load_pieces(item, plane))
        keys.append((loads, tuple(s.rows for s in stripes)))
    return tuple(_mask(keys, key) for key in keys)


def _mask(keys: list, key: object) -> int:
    same = [i for i, other in enumerate(keys) if other == key and switches().multicast]
    return sum(1 << i for i in same) if key is not None and len(same) > 1 else 0
