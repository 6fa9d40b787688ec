"""Passes 2 to 5: from layers and their splits to operations with places in external memory."""

from dataclasses import dataclass

from hw.config import Config
from hw.isa import INSN_BYTES, READ_AHEAD_BYTES
from sw.graph.integer import Layer

from .batch import Run
from .emit import emit
from .errors import DoesNotFit, raising
from .fields import check_fields
from .layout import Allocator, Layout
from .ops import Op
from .place import lay_out
from .plan import LayerPlan, plan_layer
from .split import Split, is_local, is_resident
from .stage import Stage
from .switches import switches
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


def lower_splits(name: str, layers: tuple[Layer, ...], splits: list[Split],
                 order: tuple[Run, ...], config: Config, *, batch: int, store_all: bool,
                 taps: Taps | None) -> Lowered:
    """Make all decisions that follow from a network's splits.

    Parameters
    ----------
    name : of the network, for errors
    layers : as they run: taps packed, images stacked
    splits : one for each layer
    order : in which they run
    batch, store_all : as of `compile_graph`
    taps : of the first layer

    Raises
    ------
    CompileError
        As `compile_graph`.
    """
    stages = _stages(layers, splits, _plan(layers, splits, config), store_all)
    running = sum(1 << i for i in range(config.instances)
                  if any(s.split.items[i] is not None for s in stages))
    memory = Allocator()
    layout = lay_out(stages, batch, config, memory)
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


def _plan(layers: tuple[Layer, ...], splits: list[Split], config: Config) -> list[LayerPlan]:
    """LayerPlan each layer; its output stays if the next one's input needs are met and both fit."""
    plans: list[LayerPlan] = []
    source: LayerPlan | None = None
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


def _stages(layers: tuple[Layer, ...], splits: list[Split], plans: list[LayerPlan],
            store_all: bool) -> list[Stage]:
    stages = []
    for k, layer in enumerate(layers):
        barrier = k > 0 and not plans[k].resident \
            and not is_local(layer, layers[k - 1], splits[k - 1], splits[k])
        needed = k + 1 == len(layers) or not plans[k + 1].resident
        stages.append(Stage(layer, splits[k], plans[k], barrier, store_all or needed))
    return stages
