"""Pass 3: where tensors and weight streams lie in external memory, and who reads which together."""

from collections.abc import Sequence

from hw.config import Config

from .batch import Run
from .layout import Allocator, Layout, RecordPlace, StreamFill, StreamPlace
from .loads import apart, load_masks, same_mask
from .split import Item
from .stage import Stage
from .steps import Step
from .streams import parameter_places, stream_alignment, stream_bytes, stream_chunks
from .tensors import place_tensors

__all__ = ["lay_out"]

_NO_STREAM = StreamPlace(0, 0, 0)


def lay_out(stages: list[Stage], order: Sequence[Run], batch: int, config: Config,
            memory: Allocator, reuse: bool) -> Layout:
    """Place the tensors of `batch` images and the weight streams of all layers.

    Parameters
    ----------
    order : in which the layers run
    reuse : whether a tensor may take the place of others that nobody reads any more
    """
    tensors, overwritten = place_tensors(stages, batch, config, memory, reuse)
    together = _multicasts(stages, config)
    records, written = {}, {}  # streams that are written while the network runs
    for stage in stages:
        if (maker := stage.node.factors) is not None:
            first = memory.bytes
            written[stage.node.number] = _, fills = _streams(stage, config, memory, together)
            records[maker - 1] = RecordPlace(first, memory.bytes, tuple(
                {block: offset + at for block, at in parameter_places(node, steps, config).items()}
                for node, steps, offset in fills))
    tensor_bytes = memory.bytes
    every = [written.get(stage.node.number) or _streams(stage, config, memory, together)
             for stage in stages]
    return Layout(tensors, tensor_bytes, overwritten, tuple(placed for placed, _ in every),
                  load_masks(stages, order), tuple(fill for _, fills in every for fill in fills),
                  records)


def _multicasts(stages: list[Stage], config: Config) -> set[int]:
    """Masks of weight multicasts, those of the longest streams first, equal or disjoint.

    The interconnect takes any multicast request of a member for its answer, and weights are
    requested across layers, so an instance must not take part under two masks.
    """
    sizes: dict[int, int] = {}
    for stage in stages:
        keys = [_stream_key(item, stage, i) for i, item in enumerate(stage.split.items)]
        for key in {k for k in keys if k is not None}:
            mask = same_mask(keys, key)
            sizes[mask] = sizes.get(mask, 0) + key[0] * stream_chunks(stage.node, key[1], config)
    return apart(sizes)


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
        mask = same_mask(keys, key)
        align = stream_alignment(steps, config)
        offset = memory.take(stream_bytes(stage.node, steps, config) + align - 1, beside)
        offset = -(-offset // align) * align
        if config.port.memory == "shared":
            beside.append(offset)
        places[key] = StreamPlace(offset, stream_chunks(stage.node, steps, config),
                                  mask if mask in together else 0)
        fills.append((stage.node, steps, offset))
    return tuple(_NO_STREAM if k is None else places[k] for k in keys), fills


def _stream_key(item: Item | None, stage: Stage, instance: int,
                ) -> tuple[int, tuple[Step, ...]] | None:
    """Stripes and COMPUTEs: equal for instances that use the same stream equally often."""
    if item is None:
        return None
    stripes = stage.plan.stripes[instance]
    return len(stripes), stage.steps(instance)
