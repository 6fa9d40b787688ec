"""The compiler: an integer network and a configuration in, a program out.

The passes, in order, each a pure function in a file of its own:

0. `taps`    pack kernel taps of the first layer into idle array rows
   `batch`   the fully connected end takes all images of a batch at once
1. `choose`  which instance computes which output channels and rows (`split`): of alternatives
             the fastest by the cycle model; `scalable` instead, if instances are to be dropped at
             run time
2. `plan`    stripes, residency and activation memory
3. `layout`  external memory: tensors and weight streams
4. `emit`    operations in an order that would be right one by one
5. `tokens`  synchronisation of the decoupled units
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.config import Config
from hw.isa import INSN_BYTES, READ_AHEAD_BYTES, Opcode, encode
from sw.graph.active import partition_layers
from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph, Layer
from sw.lowering.batch import Run, run_order, stack_layers
from sw.lowering.emit import Stage, emit
from sw.lowering.errors import CompileError, DoesNotFit, raising
from sw.lowering.fields import check_fields
from sw.lowering.geometry import ceil_div
from sw.lowering.layout import Allocator, Layout, StreamFill, StreamPlace, TensorPlace
from sw.lowering.ops import Op
from sw.lowering.plan import Plan, plan_layer
from sw.lowering.scalable import scalable_splits
from sw.lowering.split import Item, Split, is_local, is_resident
from sw.lowering.steps import Step, load_pieces, plane_words
from sw.lowering.streams import (
    live_tables,
    stream_alignment,
    stream_bytes,
    stream_chunks,
    weight_stream,
)
from sw.lowering.switches import switches
from sw.lowering.taps import Taps, pack_taps
from sw.lowering.tokens import add_tokens

from .choose import choose
from .program import LayerInfo, Program

__all__ = ["Lowered", "compile_graph", "lower"]

_MAX_LAYERS = 1 << 11
_NO_STREAM = StreamPlace(0, 0, 0)


def compile_graph(graph: IntegerGraph, config: Config, *, batch: int = 1, store_all: bool = True,
                  splits: Sequence[Split] | None = None, scalable: bool = False) -> Program:
    """Compile a network.

    Parameters
    ----------
    graph : IntegerGraph
    config : Config
    batch : int
        Images of a run. Of more than one, the fully connected end of the network takes all
        together, so that its weights cross the memory port once; the layers before it run image
        by image.
    store_all : bool
        Store every layer's output in external memory, so that it can be checked; else only
        what another instance needs, and the last.
    splits : sequence of Split or None
        How each layer is split, as `sw.compiler.search` finds it; None estimates.
    scalable : bool
        Let the partitions, one on each instance, be dropped at run time; see `Driver.activate`.

    Raises
    ------
    ValueError
        If `batch` is less than 1, or `scalable` comes with a batch or splits.
    FlowError
        If the network is not one that `quantise` made, or the configuration is none.
    GraphError
        If the network breaks a rule.
    ScalingError
        If its partitions cannot be dropped.
    DoesNotFit, Unsupported
        Naming the layer, what it needs and what there is.
    """
    lowered = lower(graph, config, batch=batch, store_all=store_all, splits=splits,
                    scalable=scalable)
    graph.validate()
    segments = [(offset, weight_stream(layer, steps, config))
                for layer, steps, offset in lowered.layout.streams_to_fill]
    for ops, offset in zip(lowered.ops, lowered.programs, strict=True):
        if ops is not None and offset is not None:
            code = b"".join([*(op.encode() for op in ops),
                             encode(Opcode.END, layer=len(graph.layers) - 1)])
            segments.append((offset, np.frombuffer(code, np.uint8)))
    layout, taps = lowered.layout, lowered.taps
    return Program(
        config=config, name=graph.name, window_bytes=lowered.window_bytes,
        segments=tuple(segments), programs=lowered.programs, input=layout.tensors[0], batch=batch,
        start_mask=sum(1 << i for i, ops in enumerate(lowered.ops) if ops is not None),
        outputs=tuple(place if stage.store else None
                      for place, stage in zip(layout.tensors[1:], lowered.stages, strict=True)),
        layers=tuple(_info(graph.layers[k], stage, k == 0 and taps is not None, config)
                     for k, stage in enumerate(lowered.stages)),
        taps=taps, in_shape=graph.in_shape,
        partitioned=tuple(partition_layers(graph.layers, config.instances)) if scalable else ())


@dataclass(frozen=True)
class Lowered:
    """A network as operations, before any byte of weights or program is written.

    Members: `config`; `stages`, one for each layer; `order` in which they run; `layout`; `ops` of
    each instance with their tokens, and the offsets of their `programs`, None for one that has
    nothing to do; `window_bytes` of external memory for all; `taps`.
    """

    config: Config
    stages: tuple[Stage, ...]
    order: tuple[Run, ...]
    layout: Layout
    ops: tuple[list[Op] | None, ...]
    programs: tuple[int | None, ...]
    window_bytes: int
    taps: Taps | None


def lower(graph: IntegerGraph, config: Config, *, batch: int = 1, store_all: bool = True,
          splits: Sequence[Split] | None = None, scalable: bool = False) -> Lowered:
    """All of `compile_graph`'s decisions; weights' values are not looked at.

    Raises
    ------
    ValueError, CompileError, ScalingError
        As `compile_graph`.
    """
    expect(graph, IntegerGraph, "compile_graph")
    expect(config, Config, "compile_graph")
    if not isinstance(batch, int) or batch < 1:
        raise ValueError(f"batch is {batch!r}; it must be an int, 1 or more")
    if scalable and (splits or batch > 1):
        raise ValueError("a scalable program has splits of its own and runs image by image: give "
                         "no splits and no batch with it")
    graph.validate(values=False)
    if len(graph.layers) > _MAX_LAYERS:
        raise CompileError(graph.layers[_MAX_LAYERS].name,
                           f"is beyond the {_MAX_LAYERS} layers that a program can number")
    first, taps = graph.layers[0], None
    if switches().tap_packing:
        first, taps = pack_taps(first, config)
    layers = stack_layers((first, *graph.layers[1:]), batch)
    order = run_order([layer.images > 1 for layer in layers], batch)
    _check_log(graph, order, config)

    def lowered(splits: list[Split]) -> Lowered:
        plans = _plan(layers, splits, config)
        return _lower(graph.name, _stages(layers, splits, plans, store_all), order, batch, config,
                      taps)

    if scalable:
        return lowered(scalable_splits(layers, config))
    return lowered(list(splits)) if splits else choose(layers, order, config, store_all, lowered)


def _lower(name: str, stages: list[Stage], order: tuple[Run, ...], batch: int, config: Config,
           taps: Taps | None) -> Lowered:
    """What follows from splits and plans."""
    running = sum(1 << i for i in range(config.instances)
                  if any(s.split.items[i] is not None for s in stages))
    memory = Allocator()
    layout = _lay_out(stages, batch, config, memory)
    words = layout.tensor_bytes // config.word_pitch_bytes
    programs: list[list[Op] | None] = []
    offsets: list[int | None] = []
    for instance in range(config.instances):
        if not running >> instance & 1:
            programs.append(None)
            offsets.append(None)
            continue
        ops = emit(stages, order, layout, config, instance, running)
        add_tokens(ops, config.buffers.act_words, words)
        programs.append(ops)
        offsets.append(memory.take((len(ops) + 1) * INSN_BYTES))  # and END
    memory.take(READ_AHEAD_BYTES)
    if memory.bytes > 1 << config.port.address_bits:
        raise DoesNotFit(
            name, f"{memory.bytes:,} bytes of external memory",
            f"2^{config.port.address_bits} ({1 << config.port.address_bits:,}) that "
            "port.address_bits reaches",
            raising(config, "port.address_bits", (memory.bytes - 1).bit_length(),
                    "prune it into more partitions"))
    for program in programs:
        check_fields(program or [], stages, config)
    return Lowered(config, tuple(stages), order, layout, tuple(programs), tuple(offsets),
                   memory.bytes, taps)


def _check_log(graph: IntegerGraph, order: tuple[Run, ...], config: Config) -> None:
    entries = config.buffers.log_entries
    if len(graph.layers) < len(order) > entries:
        raise DoesNotFit(graph.name, f"{len(order)} log entries for its layers and images",
                         f"{entries}", raising(config, "buffers.log_entries", len(order),
                                               "take fewer images at a time"))


def _plan(layers: tuple[Layer, ...], splits: list[Split], config: Config) -> list[Plan]:
    """Plan each layer; its output stays if the next one's input needs are met and both fit."""
    plans: list[Plan] = []
    source: Plan | None = None
    for k, layer in enumerate(layers):
        plan = None
        if k + 1 < len(layers) and switches().resident and is_resident(
                layers[k + 1], splits[k], splits[k + 1]):
            try:
                plan = plan_layer(layer, splits[k], config, source, keep=True)
                plan_layer(layers[k + 1], splits[k + 1], config, plan, keep=False)
            except DoesNotFit:
                plan = None
        if plan is None:
            plan = plan_layer(layer, splits[k], config, source, keep=False)
        plans.append(plan)
        source = plan if plan.keep else None
    return plans


def _stages(layers: tuple[Layer, ...], splits: list[Split], plans: list[Plan],
            store_all: bool) -> list[Stage]:
    stages = []
    for k, layer in enumerate(layers):
        barrier = k > 0 and not plans[k].resident \
            and not is_local(layer, layers[k - 1], splits[k - 1], splits[k])
        needed = k + 1 == len(layers) or not plans[k + 1].resident
        stages.append(Stage(layer, splits[k], plans[k], barrier, store_all or needed))
    return stages


def _tensor(shape: tuple[int, int, int], stacked: bool, batch: int, config: Config,
            memory: Allocator) -> TensorPlace:
    """Place what `batch` images have of one shape."""
    image = shape[1] * shape[2] * config.word_pitch_bytes
    blocks = ceil_div(shape[0], config.array.rows)
    offset = memory.take(blocks * batch * image)
    if stacked:
        return TensorPlace(offset, batch * image, shape, batch, image)
    return TensorPlace(offset, image, shape, batch, blocks * image)


def _lay_out(stages: list[Stage], batch: int, config: Config, memory: Allocator) -> Layout:
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


def _info(layer: Layer, stage: Stage, packed: bool, config: Config) -> LayerInfo:
    present = [s for s in stage.plan.stripes if s]
    tables = [] if not stage.plan.live_blocks else [
        table for i in range(config.instances)
        for table in live_tables(stage.layer, stage.steps(i), config)]
    beat = config.port.bytes
    return LayerInfo(
        name=layer.name, macs=layer.macs, weight_bytes=layer.weight_bytes,
        split=stage.split.kind, instances=len(present), stripes=max(len(s) for s in present),
        resident=stage.plan.resident, tap_packed=packed, stacked=stage.layer.images > 1,
        vectors=0 if tables else sum(stage.vectors(i) for i in range(config.instances)),
        row_bytes=sum(t.inputs * t.beats for t in tables) * beat,
        param_bytes=sum(-(-t.param_bytes // beat) for t in tables) * beat)
