"""One layer's operations on one instance, stripe by stripe."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from hw.config import Config
from hw.isa import Opcode
from sw.graph.integer import Pool

from .batch import Run
from .geometry import Stripe, ceil_div
from .layout import Layout
from .ops import ACT, Op, Region
from .split import Item
from .stage import Stage
from .steps import Piece, Step, hold_pieces, loads_of, passes
from .streams import live_tables
from .switches import switches
from .transfers import (
    input_regions,
    place_of,
    record_regions,
    tile_regions,
    transfer_fields,
)

__all__ = ["Job", "LayerJobs"]


@dataclass
class Job:
    """One stripe of one layer on one instance; a `fence` comes before all of it, and so before its
    weights, which are asked for ahead otherwise."""

    fence: list[Op] = field(default_factory=list)
    weights: list[Op] = field(default_factory=list)
    before: list[Op] = field(default_factory=list)
    early: bool = False
    body: list[Op] = field(default_factory=list)


class LayerJobs:
    """Operations of one layer on one instance; `item` is its part of the layer."""

    def __init__(self, stages: list[Stage], run: Run, item: Item, layout: Layout, config: Config,
                 instance: int):
        number, image = run
        self.stage = stage = stages[number]
        self.run, self.item, self.config, self.slot = run, item, config, 0
        self.layer, self.plan, self.reads = stage.layer, stage.plan, stage.node.reads
        self.stream = layout.streams[number][instance]
        self.load_masks = layout.load_masks[number][instance]
        self.records = layout.records.get(number)
        self.stripes = stage.plan.stripes[instance]
        self.steps = stage.steps(instance)
        self.places = {value: place_of(layout.tensors[value], stage.layer, image)
                       for value in (*stage.node.values, number + 1)}
        #: Of each read that is resident, the instance's part of the value.
        self.made = {r: stages[read.values[0] - 1].split.items[instance]
                     for r, read in enumerate(self.reads) if stage.plan.reads[r].resident}

    def jobs(self, barrier: list[Op]) -> Iterator[Job]:
        """One job for each stripe."""
        item, plan, stripes, stage = self.item, self.plan, self.stripes, self.stage
        for number, stripe in enumerate(stripes):
            job = Job(weights=self._weights())
            buffer, steps = number % plan.buffers, self.steps
            if number == 0 and stage.node.factors is not None:
                job.fence = [*barrier, Op(Opcode.FENCE, self.run, {})]
            elif number == 0:
                job.before += barrier
            if not plan.resident and not plan.piece:
                job.early = number > 0 and plan.buffers > 1
                for piece in loads_of(stage.node, item, plan, stripes[0], not job.early):
                    job.before += self._load(stripe, buffer, self._origin(piece), piece)
            if not plan.live_blocks:
                job.body = list(self._body(stripe, buffer, steps))
                yield job
                continue
            weights = job.weights
            for op in self._body(stripe, buffer, steps):
                if op.opcode == Opcode.POST:
                    if job.body:
                        yield job
                        job = Job()
                    job.weights, weights = weights[:2], weights[2:]
                job.body.append(op)
            yield job

    # -- one stripe --------------------------------------------------------------------------
    def _origin(self, piece: Piece) -> int:
        """The first input block of a buffer for a stripe's whole input."""
        return self.item.reads[piece[0]].inputs[0]

    def _body(self, stripe: Stripe, buffer: int, steps: tuple[Step, ...]) -> Iterator[Op]:
        """POST before the COMPUTEs that fill its banks, so that no full queue comes between."""
        computes = self._pieces(stripe, steps) if self.plan.piece else \
            ([self._compute(stripe, s, buffer, self._origin(s.piece))] for s in steps)
        pending = deque(zip(steps, computes, strict=True))
        for blocks in self._groups():
            post, stores = self._output(stripe, blocks)
            yield post
            while pending and pending[0][0].blocks[0] < blocks[1]:
                yield from pending.popleft()[1]
            yield from stores

    def _pieces(self, stripe: Stripe, steps: tuple[Step, ...]) -> Iterator[list[Op]]:
        """Each COMPUTE, and before it the LOADs of later ones into buffers that are free."""
        places = hold_pieces(steps, self.plan.buffers, self.made)
        loads: list[list[Op]] = [[] for _ in steps]
        at = 0
        for step, place in zip(steps, places, strict=True):
            if place.load:
                at = max(at, place.after + 1)
                loads[at] += self._load(stripe, place.buffer, step.inputs[0], step.piece)
        for step, place, before in zip(steps, places, loads, strict=True):
            yield [*before, self._compute(stripe, step, place.buffer, step.inputs[0])]

    def _groups(self) -> list[tuple[int, int]]:
        """Output blocks that are post-processed and stored together; the last are few."""
        if self.plan.live_blocks:
            return [one[0].blocks for one in passes(self.steps)]
        first, past = self.item.blocks
        per_unit = self.config.unit_channels // self.config.array.cols
        units = ceil_div(past - first, per_unit)
        if switches().store_early:
            size = min(self.plan.group, max(1, ceil_div(units, 6)))
            marks = [*range(0, max(units - 1, 1), size)]
            if units > 1:
                marks.append(units - 1)
        else:
            marks = [*range(0, units, self.plan.group)]
        edges = [first + m * per_unit for m in marks] + [past]
        return list(pairwise(edges))

    # -- instructions ------------------------------------------------------------------------
    def _weights(self) -> list[Op]:
        stream, config = self.stream, self.config
        if not self.plan.live_blocks:
            return [Op(Opcode.WEIGHTS, self.run, {
                "ext_addr": stream.offset, "chunks": stream.chunks, "mask": stream.mask})]
        ops = []
        for table in live_tables(self.stage.node, self.steps, config):
            blocks = table.steps[0].blocks[1] - table.steps[0].blocks[0]
            ops += [
                Op(Opcode.WEIGHTS, self.run, {
                    "ext_addr": stream.offset + table.params,
                    "chunks": blocks * config.param_chunks, "mask": 0}),
                Op(Opcode.WEIGHTS, self.run, {
                    "ext_addr": stream.offset + table.rows,
                    "chunks": table.inputs * table.beats * config.beat_chunks, "mask": 0,
                    "row_beats": table.beats})]
        return ops

    def _load(self, stripe: Stripe, buffer: int, origin: int, piece: Piece) -> Iterator[Op]:
        """Load a piece into a buffer whose first block is `origin`; of a join part by part."""
        r = piece[0]
        start = self.plan.reads[r].bases[buffer] - origin * stripe[r].plane
        for source, target in input_regions(self.reads[r], self.places, piece[1], stripe[r], start,
                                            self.config):
            fields = transfer_fields(source, target, self.config)
            fields["mask"] = self.load_masks[r]
            yield Op(Opcode.LOAD, self.run, fields, reads=(source,), writes=(target,))

    def _compute(self, stripe: Stripe, step: Step, buffer: int, origin: int) -> Op:
        read, where, needs = self.reads[step.read], self.plan.reads[step.read], stripe[step.read]
        conv, rows, columns = read.conv, needs.rows, needs.columns
        width, height = columns.read[1] - columns.read[0], rows.read[1] - rows.read[0]
        made = self.made.get(step.read)
        if made is not None:
            plane = (made.rows[1] - made.rows[0]) * width
            base = where.bases[0] + (step.inputs[0] - made.words[0]) * plane \
                + (rows.read[0] - made.rows[0]) * width
        else:
            plane = height * width
            base = where.bases[buffer] + (step.inputs[0] - origin) * plane
        blocks = step.inputs[1] - step.inputs[0]
        region = Region(ACT, base, blocks, plane, height * width)
        if step.times > 1:  # one block again and again
            blocks, plane = step.times, 0
        fields = {
            "in_addr": base, "in_plane": plane, "in_w": width, "in_h": height,
            "pad_top": rows.pad, "pad_left": columns.pad,
            "pad_value": int(conv.pad_value),
            "stride_h": conv.stride[0], "stride_w": conv.stride[1], "kernel_h": conv.kernel[0],
            "kernel_w": conv.kernel[1], "dilation_h": conv.dilation[0],
            "dilation_w": conv.dilation[1], "out_w": columns.conv[1] - columns.conv[0],
            "out_h": rows.conv[1] - rows.conv[0], "in_blocks": blocks,
            "out_blocks": step.blocks[1] - step.blocks[0], "tiles": blocks * read.taps,
            "first": int(step.first), "last": int(step.last),
            "tables": int(step.tables > 0), "every_table": int(step.tables > 2),
        }
        if step.live:
            fields |= {"live_blocks": fields["out_blocks"], "out_blocks": 1,
                       "epsilon": self.layer.epsilon}
        return Op(Opcode.COMPUTE, self.run, fields, reads=(region,))

    def _output(self, stripe: Stripe, blocks: tuple[int, int]) -> tuple[Op, list[Op]]:
        """POST and STOREs of some output blocks."""
        layer, plan, item, array = self.layer, self.plan, self.item, self.config.array
        rows, columns = stripe[0].rows, stripe[0].columns
        width, height = columns.out[1] - columns.out[0], rows.out[1] - rows.out[0]
        first = blocks[0] * array.cols // array.rows
        past = min(ceil_div(blocks[1] * array.cols, array.rows), item.words[1])
        count = blocks[1] - blocks[0]
        planes = ceil_div(count * array.cols, array.rows)
        if plan.keep:
            plane = (item.rows[1] - item.rows[0]) * width
            base = plan.outputs[0] + (first - item.words[0]) * plane \
                + (rows.out[0] - item.rows[0]) * width
        else:
            plane = height * width
            base = plan.outputs[self.slot % len(plan.outputs)]
            self.slot += 1
        pool = layer.pool or Pool((1, 1), (1, 1), (0, 0), (height, width))
        fields = {
            "out_addr": base, "out_plane": plane, "out_w": width, "out_h": height,
            "conv_w": columns.conv[1] - columns.conv[0], "conv_h": rows.conv[1] - rows.conv[0],
            "pool_h": pool.kernel[0], "pool_w": pool.kernel[1], "pool_stride_h": pool.stride[0],
            "pool_stride_w": pool.stride[1], "pool_top": rows.pool,
            "pool_left": columns.pool, "out_blocks": count, "low": layer.low,
            "high": layer.high, "offset": layer.offset, "tables": int(layer.table is not None)}
        if plan.live_blocks:
            fields |= {"out_w": count, "conv_w": count, "out_blocks": 1, "per_pixel": 1}
        post = Op(Opcode.POST, self.run, fields,
                  writes=(Region(ACT, base, planes, plane, height * width),))
        return post, [
            Op(Opcode.STORE, self.run, transfer_fields(target, source, self.config),
               reads=(source,), writes=(target,))
            for target, source in self._stored(stripe, (first, past), base, plane)]

    def _stored(self, stripe: Stripe, words: tuple[int, int], base: int, plane: int,
                ) -> Iterable[tuple[Region, Region]]:
        """Where word blocks of the output go to from activation memory."""
        if self.records is not None:
            return record_regions(self.records, words, base, self.config)
        if not self.stage.store:
            return ()
        return tile_regions(self.places[self.run[0] + 1], words, stripe[0].rows.out,
                            stripe[0].columns.out, base, plane, self.config)
