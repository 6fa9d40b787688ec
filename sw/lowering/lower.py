"""Passes 2 to 5: from layers and their splits to operations with places in external memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from hw.config import Config
from hw.isa import INSN_BYTES, READ_AHEAD_BYTES

from .barriers import meetings
from .batch import Run
from .emit import emit
from .errors import OutOfReach
from .fields import check_fields
from .keep import plan_layers
from .layout import Allocator, Layout
from .memory import LayerPlan
from .nodes import Node
from .ops import Op
from .place import lay_out
from .split import Split
from .stage import Stage
from .taps import Taps
from .tokens import add_tokens

__all__ = ["Lowered", "lower_splits"]


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


def lower_splits(name: str, nodes: tuple[Node, ...], splits: list[Split],
                 order: tuple[Run, ...], config: Config, *, batch: int, store_all: bool,
                 scalable: bool, taps: Taps | None, planned: bool = False) -> Lowered:
    """Make all decisions that follow from a network's splits.

    Parameters
    ----------
    name : of the network, for errors
    nodes : layers as they run: taps packed, images stacked
    splits : one for each layer
    order : in which they run
    batch, store_all, scalable : as of `compile_graph`
    taps : of the first layer
    planned : bool
        Make no operations, which takes most of the time: `window_bytes` is without programs, and
        fields of instructions are not looked at.

    Raises
    ------
    CompileError
        As `compile_graph`.
    """
    stages = _stages(nodes, splits, plan_layers(nodes, splits, config), store_all)
    running = sum(1 << i for i in range(config.instances)
                  if any(s.split.items[i] is not None for s in stages))
    memory = Allocator()
    # Neither what the host reads nor where dropped partitions would write takes others' place.
    reuse = not (store_all or scalable or batch > 1)
    layout = lay_out(stages, order, batch, config, memory, reuse)
    words = layout.tensor_bytes // config.word_pitch_bytes
    programs: list[list[Op] | None] = []
    offsets: list[int | None] = []
    for instance in range(config.instances):
        if planned or not running >> instance & 1:
            programs.append(None)
            offsets.append(None)
            continue
        ops = emit(stages, order, layout, config, instance, running)
        add_tokens(ops, config.buffers.act_words, words)
        programs.append(ops)
        offsets.append(memory.take((len(ops) + 1) * INSN_BYTES))  # and END
    memory.take(READ_AHEAD_BYTES)
    if memory.bytes > 1 << config.port.address_bits:
        raise OutOfReach(name, memory.bytes, config)
    for program in programs:
        check_fields(program or [], stages, config)
    return Lowered(config, tuple(stages), order, layout, tuple(programs), tuple(offsets),
                   memory.bytes, taps)


def _stages(nodes: Sequence[Node], splits: Sequence[Split], plans: Sequence[LayerPlan],
            store_all: bool) -> list[Stage]:
    loaded = {value for node, plan in zip(nodes, plans, strict=True)
              for read, where in zip(node.reads, plan.reads, strict=True) if not where.resident
              for value in read.values}
    records = {node.factors for node in nodes}  # are stored elsewhere
    return [Stage(node, split, plan, far, k not in records and (
                      store_all or k == len(nodes) or node.end or k in loaded))
            for k, (node, split, plan, far) in enumerate(
                zip(nodes, splits, plans, meetings(nodes, splits), strict=True), 1)]
