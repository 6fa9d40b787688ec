"""Pass 4: each instance's operations, in an order in which running them one by one is right."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from hw.config import Config
from hw.isa import Opcode

from ..graph import Layer
from .geometry import Window, ceil_div
from .layout import Layout, TensorPlace
from .ops import ACT, Op, Region
from .plan import Plan
from .split import Item, Split
from .steps import Step, load_pieces, plane_words, steps_of

__all__ = ["Stage", "emit"]

_WEIGHTS_AHEAD = 4  # WEIGHTS instructions before the COMPUTE that uses the first of them


@dataclass(frozen=True)
class Stage:
    """A layer with what the passes before have decided."""

    layer: Layer
    split: Split
    plan: Plan
    barrier: bool
    store: bool


@dataclass
class _Job:
    """One stripe of one layer on one instance."""

    weights: list[Op] = field(default_factory=list)
    before: list[Op] = field(default_factory=list)
    early: bool = False
    body: list[Op] = field(default_factory=list)


def emit(stages: list[Stage], layout: Layout, config: Config, instance: int,
         everyone: int) -> list[Op]:
    """Return one instance's operations, without tokens.

    Parameters
    ----------
    everyone : int
        Mask of all instances that run, who meet at each barrier.
    """
    jobs = [job for number in range(len(stages))
            for job in _layer_jobs(stages, number, layout, config, instance, everyone)]
    ahead = min(config.buffers.queue_depth, _WEIGHTS_AHEAD)
    weighted = [job for job in jobs if job.weights]
    ops: list[Op] = []
    issued = used = 0
    loaded = -1
    for at, job in enumerate(jobs):
        if job.weights:
            used += 1
        while issued < len(weighted) and issued < used - 1 + ahead:
            ops += weighted[issued].weights
            issued += 1
        if loaded < at:
            ops += job.before
        if at + 1 < len(jobs) and jobs[at + 1].early:
            ops += jobs[at + 1].before
            loaded = at + 1
        ops += job.body
    _mark(ops)
    return ops


def _mark(ops: list[Op]) -> None:
    """Mark each layer's operation that completes last: its last STORE, else its last POST."""
    last: dict[int, Op] = {}
    for opcode in (Opcode.POST, Opcode.STORE):
        for op in ops:
            if op.opcode == opcode:
                last[op.layer] = op
    for op in last.values():
        op.mark = True


def _layer_jobs(stages: list[Stage], number: int, layout: Layout, config: Config,
                instance: int, everyone: int) -> Iterator[_Job]:
    """One job for each stripe of a layer; one with the barrier alone without an item."""
    stage = stages[number]
    item = stage.split.items[instance]
    made = stages[number - 1].split.items[instance] if number else None
    barrier = []
    if stage.barrier:
        reads = () if made is None else (
            _tensor_region(layout.outputs[number - 1], number, made.words, made.rows),)
        barrier = [Op(Opcode.BARRIER, number, {"mask": everyone}, reads=reads)]
    if item is not None:
        yield from _LayerEmitter(stage, number, item, made or item, layout, config,
                                 instance).jobs(barrier)
    elif barrier:
        yield _Job(before=barrier)


class _LayerEmitter:
    """Operations of one layer on one instance.

    `item` is its part of the layer, `made` its part of the layer before.
    """

    def __init__(self, stage: Stage, number: int, item: Item, made: Item, layout: Layout,
                 config: Config, instance: int):
        self.stage, self.number, self.item, self.made = stage, number, item, made
        self.layout, self.config, self.instance = layout, config, instance
        self.layer, self.plan = stage.layer, stage.plan
        self.buffer = 0
        self.slot = 0

    def jobs(self, barrier: list[Op]) -> Iterator[_Job]:
        """One job for each stripe."""
        item, plan = self.item, self.plan
        stripes = plan.stripes[self.instance]
        for number, stripe in enumerate(stripes):
            job = _Job(weights=[self._weights()])
            buffer = number % len(plan.inputs)
            steps = steps_of(item, plan, stripes[0], self.layer.in_shape[2])
            if number == 0:
                job.before += barrier
            if not plan.resident and not plan.piece:
                job.early = number > 0 and len(plan.inputs) > 1
                pieces = [item.inputs] if job.early else \
                    load_pieces(item, plane_words(stripes[0], self.layer.in_shape[2]))
                job.before += [self._load(stripe, buffer, item.inputs[0], p) for p in pieces]
            job.body = list(self._body(stripe, buffer, steps))
            yield job

    # -- one stripe --------------------------------------------------------------------------
    def _body(self, stripe: Window, buffer: int, steps: tuple[Step, ...]) -> Iterator[Op]:
        """POST before the COMPUTEs that fill its banks, so that no full queue comes between."""
        computes = self._pieces(stripe, steps) if self.plan.piece else \
            ([self._compute(stripe, s, buffer, self.item.inputs[0])] for s in steps)
        pending = deque(zip(steps, computes, strict=True))
        for blocks in self._groups():
            post, store = self._output(stripe, blocks)
            yield post
            while pending and pending[0][0].blocks[0] < blocks[1]:
                yield from pending.popleft()[1]
            if store is not None:
                yield store

    def _pieces(self, stripe: Window, steps: tuple[Step, ...]) -> Iterator[list[Op]]:
        """Each COMPUTE with the LOAD of the step after it before it, where buffers allow."""
        count = len(self.plan.inputs)
        buffers = [(self.buffer + k) % count for k in range(len(steps))]
        self.buffer += len(steps)
        loads = [self._load(stripe, b, s.inputs[0], s.inputs)
                 for s, b in zip(steps, buffers, strict=True)]
        for k, step in enumerate(steps):
            ops = [loads[0]] if k == 0 or count == 1 else []
            if count == 1:
                ops = [loads[k]]
            elif k + 1 < len(steps):
                ops.append(loads[k + 1])
            yield [*ops, self._compute(stripe, step, buffers[k], step.inputs[0])]

    def _groups(self) -> list[tuple[int, int]]:
        """Output blocks that are post-processed and stored together; the last are few."""
        first, past = self.item.blocks
        per_unit = self.config.unit_channels // self.config.array.cols
        units = ceil_div(past - first, per_unit)
        size = min(self.plan.group, max(1, ceil_div(units, 6)))
        marks = [*range(0, max(units - 1, 1), size)]
        if units > 1:
            marks.append(units - 1)
        edges = [first + m * per_unit for m in marks] + [past]
        return list(pairwise(edges))

    # -- instructions ------------------------------------------------------------------------
    def _weights(self) -> Op:
        stream = self.layout.streams[self.number][self.instance]
        return Op(Opcode.WEIGHTS, self.number,
                  {"ext_addr": stream.offset, "chunks": stream.chunks, "mask": stream.mask})

    def _load(self, stripe: Window, buffer: int, origin: int, span: tuple[int, int]) -> Op:
        """Load input blocks `span` of a buffer whose first block is `origin`."""
        place = self.layout.input if self.number == 0 else self.layout.outputs[self.number - 1]
        plane = plane_words(stripe, self.layer.in_shape[2])
        base = self.plan.inputs[buffer] + (span[0] - origin) * plane
        source = _tensor_region(place, self.number, span, stripe.rows)
        fields = _transfer(source, base, plane, place, self.config)
        fields["mask"] = self.layout.load_masks[self.number][self.instance]
        return Op(Opcode.LOAD, self.number, fields, reads=(source,),
                  writes=(Region(ACT, base, span[1] - span[0], plane, plane),))

    def _compute(self, stripe: Window, step: Step, buffer: int, origin: int) -> Op:
        layer, plan = self.layer, self.plan
        width = layer.in_shape[2]
        height = stripe.rows[1] - stripe.rows[0]
        if plan.resident:
            made = self.made
            plane = (made.rows[1] - made.rows[0]) * width
            base = plan.inputs[0] + (step.inputs[0] - made.words[0]) * plane \
                + (stripe.rows[0] - made.rows[0]) * width
        else:
            plane = height * width
            base = plan.inputs[buffer] + (step.inputs[0] - origin) * plane
        blocks = step.inputs[1] - step.inputs[0]
        fields = {
            "in_addr": base, "in_plane": plane, "in_w": width, "in_h": height,
            "pad_top": stripe.pad_top, "pad_left": layer.padding[1], "stride": layer.stride,
            "kernel_h": layer.kernel[0], "kernel_w": layer.kernel[1],
            "out_w": layer.conv_shape[2], "out_h": stripe.conv[1] - stripe.conv[0],
            "in_blocks": blocks, "out_blocks": step.blocks[1] - step.blocks[0],
            "tiles": blocks * layer.kernel[0] * layer.kernel[1],
            "first": int(step.first), "last": int(step.last),
        }
        return Op(Opcode.COMPUTE, self.number, fields,
                  reads=(Region(ACT, base, blocks, plane, height * width),))

    def _output(self, stripe: Window, blocks: tuple[int, int]) -> tuple[Op, Op | None]:
        """POST and STORE of some output blocks."""
        layer, plan, item, array = self.layer, self.plan, self.item, self.config.array
        width = layer.out_shape[2]
        height = stripe.out[1] - stripe.out[0]
        first = blocks[0] * array.cols // array.rows
        past = min(ceil_div(blocks[1] * array.cols, array.rows), item.words[1])
        planes = ceil_div((blocks[1] - blocks[0]) * array.cols, array.rows)
        if plan.keep:
            plane = (item.rows[1] - item.rows[0]) * width
            base = plan.outputs[0] + (first - item.words[0]) * plane \
                + (stripe.out[0] - item.rows[0]) * width
        else:
            plane = height * width
            base = plan.outputs[self.slot % len(plan.outputs)]
            self.slot += 1
        pool = layer.pool
        fields = {
            "out_addr": base, "out_plane": plane, "out_w": width, "out_h": height,
            "conv_w": layer.conv_shape[2], "conv_h": stripe.conv[1] - stripe.conv[0],
            "pool_h": pool.kernel[0] if pool else 1, "pool_w": pool.kernel[1] if pool else 1,
            "pool_stride": pool.stride[0] if pool else 1, "pool_top": stripe.pool_top,
            "pool_left": pool.padding[1] if pool else 0,
            "out_blocks": blocks[1] - blocks[0], "low": layer.low, "high": layer.high,
        }
        post = Op(Opcode.POST, self.number, fields,
                  writes=(Region(ACT, base, planes, plane, height * width),))
        if not self.stage.store:
            return post, None
        place = self.layout.outputs[self.number]
        target = _tensor_region(place, self.number + 1, (first, past), stripe.out)
        store = Op(Opcode.STORE, self.number, _transfer(target, base, plane, place, self.config),
                   reads=(Region(ACT, base, past - first, plane, height * width),),
                   writes=(target,))
        return post, store


def _tensor_region(place: TensorPlace, space: int, words: tuple[int, int],
                   rows: tuple[int, int]) -> Region:
    """Rows of some word blocks of a tensor, in words from its start."""
    _, height, width = place.shape
    return Region(space, words[0] * height * width + rows[0] * width, words[1] - words[0],
                  height * width, (rows[1] - rows[0]) * width)


def _transfer(region: Region, act: int, act_stride: int, place: TensorPlace,
              config: Config) -> dict[str, int]:
    """Fields of a LOAD or STORE between a tensor's region and activation memory."""
    pitch = config.word_pitch_bytes
    runs, words, stride = region.planes, region.length, region.stride * pitch
    if runs == 1 or (region.stride == words and act_stride == words):
        runs, words, stride, act_stride = 1, runs * words, 0, 0
    return {"ext_addr": place.offset + region.base * pitch, "act_addr": act, "run_words": words,
            "runs": runs, "ext_stride": stride, "act_stride": act_stride}
