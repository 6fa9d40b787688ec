"""The compiler: an integer network and a configuration in, a program out.

The passes, in order, each a pure function; `choose` is beside this file, the others are in
`sw.lowering`:

0. `nodes`   which values each layer reads, and the convolutions that it adds
   `taps`    pack kernel taps of the first layer into idle array rows
   `batch`   the fully connected end takes all images of a batch at once
1. `choose`  which instance computes which output channels and rows (`split`): of alternatives
             the fastest by the cycle model; `scalable` instead, if instances are to be dropped at
             run time
2. `plan`    stripes and activation memory; `keep`, which outputs stay there for whom
3. `place`   external memory: tensors and weight streams
4. `emit`    operations in an order that would be right one by one
5. `tokens`  synchronisation of the decoupled units
"""

from collections.abc import Sequence

import numpy as np

from hw.config import Config
from hw.isa import Opcode, encode
from sw.cycles.memory import SIMULATED, MemoryTiming
from sw.graph.active import partition_layers
from sw.graph.flow import expect
from sw.graph.integer import IntegerGraph, Layer
from sw.lowering.bands import in_bands
from sw.lowering.batch import Run, run_order, stack_layers
from sw.lowering.errors import CompileError, DoesNotFit, raising
from sw.lowering.lower import Lowered, lower_splits
from sw.lowering.nodes import nodes_of
from sw.lowering.scalable import scalable_splits
from sw.lowering.split import Split
from sw.lowering.stage import Stage
from sw.lowering.streams import (
    live_tables,
    weight_stream,
)
from sw.lowering.switches import switches
from sw.lowering.taps import pack_input

from .choose import choose
from .program import LayerInfo, Program
from .records import records_in

__all__ = ["compile_graph", "lower"]

_MAX_LAYERS = 1 << 11


def compile_graph(graph: IntegerGraph, config: Config, *, batch: int = 1, store_all: bool = True,
                  splits: Sequence[Split] | None = None, scalable: bool = False,
                  memory: MemoryTiming = SIMULATED) -> Program:
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
        what is loaded again, where it takes the place of what nobody reads any more, and the last.
    splits : sequence of Split or None
        How each layer is split, as `sw.compiler.search` finds it; None estimates.
    scalable : bool
        Let the partitions, one on each instance, be dropped at run time; see `Driver.activate`.
    memory : MemoryTiming
        The external memory with which ways to split layers are compared; without effect where
        `splits` or `scalable` say how, and for one instance.

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
                    scalable=scalable, memory=memory)
    graph.validate()
    segments = [(offset, weight_stream(node, steps, config))
                for node, steps, offset in lowered.layout.streams_to_fill]
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
        partitioned=tuple(partition_layers(graph.layers, config.instances)) if scalable else (),
        overwritten=tuple(sorted(layout.overwritten)), tensor_bytes=layout.tensor_bytes,
        records=tuple(records_in(layer, graph.layers[layer].in_shape[0], place)
                      for layer, place in sorted(layout.records.items())))


def lower(graph: IntegerGraph, config: Config, *, batch: int = 1, store_all: bool = True,
          splits: Sequence[Split] | None = None, scalable: bool = False,
          quick: bool = False, planned: bool = False,
          memory: MemoryTiming = SIMULATED) -> Lowered:
    """All of `compile_graph`'s decisions, or `quick` ones, whose splits are the first that go, or
    those that are `planned` of them, without operations; weights' values are not looked at.

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
    if scalable:
        graph.require_chain("a program whose partitions can be dropped")
    if len(graph.layers) > _MAX_LAYERS:
        raise CompileError(graph.layers[_MAX_LAYERS].name,
                           f"is beyond the {_MAX_LAYERS} layers that a program can number")
    nodes, taps = nodes_of(graph), None
    if switches().tap_packing:
        nodes, taps = pack_input(nodes, config)
    nodes = in_bands(stack_layers(nodes, batch), config)
    order = run_order([node.layer.images > 1 for node in nodes], batch)
    _check_log(graph, order, config)

    def lowered(splits: list[Split]) -> Lowered:
        return lower_splits(graph.name, nodes, splits, order, config, batch=batch,
                            store_all=store_all, scalable=scalable, taps=taps, planned=planned)

    if scalable:
        return lowered(scalable_splits(nodes, config))
    return lowered(list(splits)) if splits else choose(nodes, order, config, store_all, lowered,
                                                       memory, quick or planned)


def _check_log(graph: IntegerGraph, order: tuple[Run, ...], config: Config) -> None:
    entries = config.buffers.log_entries
    if len(graph.layers) < len(order) > entries:
        raise DoesNotFit(graph.name, f"{len(order)} log entries for its layers and images",
                         f"{entries}", raising(config, "buffers.log_entries", len(order),
                                               "take fewer images at a time"), "network")


def _info(layer: Layer, stage: Stage, packed: bool, config: Config) -> LayerInfo:
    present = [s for s in stage.plan.stripes if s]
    tables = [] if not stage.plan.live_blocks else [
        table for i in range(config.instances)
        for table in live_tables(stage.node, stage.steps(i), config)]
    beat = config.port.bytes
    return LayerInfo(
        name=layer.name, macs=layer.macs, weight_bytes=layer.weight_bytes,
        split=stage.split.kind, instances=len(present), stripes=max(len(s) for s in present),
        resident=stage.plan.resident, tap_packed=packed, stacked=stage.layer.images > 1,
        vectors=0 if tables else sum(stage.vectors(i) for i in range(config.instances)),
        row_bytes=sum(t.inputs * t.beats for t in tables) * beat,
        param_bytes=sum(-(-t.param_bytes // beat) for t in tables) * beat)
