"""Where tensors lie in external memory, by how long they are needed."""

from collections.abc import Sequence

from hw.config import Config

from .geometry import ceil_div
from .layout import Allocator, TensorPlace
from .nodes import readers_of
from .stage import Stage

__all__ = ["place_tensors"]


def place_tensors(stages: Sequence[Stage], batch: int, config: Config, memory: Allocator,
                  reuse: bool) -> tuple[tuple[TensorPlace, ...], frozenset[int]]:
    """Place the input and each layer's output, and tell which layers' outputs are overwritten.

    Parameters
    ----------
    batch : images of each
    reuse : whether a tensor may take the place of others that nobody reads any more; what is not
        stored then has none
    """
    layers = [s.layer for s in stages]
    readers = readers_of([s.node for s in stages])
    shapes = [layers[0].in_shape, *(layer.out_shape for layer in layers)]
    images = [layers[0].images, *(layer.images for layer in layers)]
    # A tensor is stacked if the layer that reads it takes it so, the last as it is written.
    stacked = [any(layers[k].images > 1 for k in readers[v] or [len(layers) - 1])
               for v in range(len(shapes))]
    tensors = [_tensor((c, h // n, w), many, batch, config)
               for (c, h, w), n, many in zip(shapes, images, stacked, strict=True)]
    sizes = [ceil_div(t.shape[0], config.array.rows) * batch * t.shape[1] * t.shape[2]
             * config.word_pitch_bytes for t in tensors]
    if not reuse:
        return tuple(t.at(memory.take(size)) for t, size in zip(tensors, sizes, strict=True)), \
            frozenset()
    stored = [True, *(s.store for s in stages)]
    offsets, overwritten = _fit(stages, [memory.aligned(size) for size in sizes], stored, readers)
    memory.take(max(at + size for at, size, kept in zip(offsets, sizes, stored, strict=True)
                    if kept))
    return tuple(t.at(at) for t, at in zip(tensors, offsets, strict=True)), overwritten


def _tensor(shape: tuple[int, int, int], stacked: bool, batch: int, config: Config,
            ) -> TensorPlace:
    """What `batch` images have of one shape, at the beginning of memory."""
    image = shape[1] * shape[2] * config.word_pitch_bytes
    blocks = ceil_div(shape[0], config.array.rows)
    if stacked:
        return TensorPlace(0, batch * image, shape, batch, image)
    return TensorPlace(0, image, shape, batch, blocks * image)


def _fit(stages: Sequence[Stage], sizes: Sequence[int], stored: Sequence[bool],
         readers: Sequence[Sequence[int]]) -> tuple[list[int], frozenset[int]]:
    """Offsets of all values, each as low as it can be, and the layers whose outputs are
    overwritten."""
    settled = _settled(stages)
    ends = [max(of, default=len(stages)) for of in readers]  # the last output stays, as all do
    ends = [len(stages) if v and stages[v - 1].node.end else end for v, end in enumerate(ends)]
    offsets = [0] * len(sizes)
    overwritten = set()
    for value, size in enumerate(sizes):
        if not stored[value]:
            continue
        before = [v for v in range(value) if stored[v]]
        taken = sorted((offsets[v], offsets[v] + sizes[v]) for v in before
                       if ends[v] >= settled[value - 1])
        at = 0
        for first, past in taken:
            if at + size <= first:
                break
            at = max(at, past)
        offsets[value] = at
        overwritten |= {v - 1 for v in before if v and offsets[v] < at + size
                        and at < offsets[v] + sizes[v]}
    return offsets, frozenset(overwritten)


def _settled(stages: Sequence[Stage]) -> list[int]:
    """Of each layer the one before which, when it stores, all instances have read all that they
    read: what the layers before that read last may be overwritten.

    An instance stores what it computes in order, so by itself it has read all of the layers before.
    Of others it knows what they had read at a barrier, once it has used anything that it loaded
    after it.
    """
    count = len(stages[0].split.items)
    running = [i for i in range(count) if any(s.split.items[i] is not None for s in stages)]
    if len(running) == 1:
        return list(range(len(stages)))
    met, known, settled = 0, [0] * count, []
    for k, stage in enumerate(stages):
        if stage.barrier:
            met = k
        for i in running:
            if stage.split.items[i] is not None and not stage.plan.resident:
                known[i] = met
        settled.append(min(known[i] for i in running if stage.split.items[i] is not None))
    return settled
