"""Weight streams: tables, requantisation parameters and tiles in the order in which they are used.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.config import TABLE_ENTRIES, Config, next_pow2
from sw.graph.integer import Layer

from .nodes import Node, Read
from .steps import Step, passes

__all__ = ["live_tables", "parameter_places", "stream_alignment", "stream_bytes", "stream_chunks",
           "weight_stream"]


@dataclass(frozen=True)
class LiveTable:
    """What a pass that skips zeros reads: where its `param_bytes` of parameters and its `rows` of
    weights begin, in bytes of the stream; `inputs` rows of `beats` beats, `pitch` bytes apart;
    its `steps`."""

    steps: tuple[Step, ...]
    params: int
    param_bytes: int
    rows: int
    inputs: int
    beats: int
    pitch: int

    @property
    def past(self) -> int:
        return self.rows + self.inputs * self.pitch


def live_tables(node: Node, steps: Sequence[Step], config: Config) -> list[LiveTable]:
    """Lay out the passes of a layer that skips zeros, one after the other."""
    beat, at = config.port.bytes, 0
    tables = []
    for chain in passes(steps):
        blocks = chain[0].blocks[1] - chain[0].blocks[0]
        beats = -(-blocks * config.array.cols // beat)
        pitch = next_pow2(beats) * beat
        head = blocks * config.param_chunks * config.chunk_bytes
        inputs = sum((s.inputs[1] - s.inputs[0]) * node.reads[s.read].taps for s in chain) \
            * config.array.rows
        rows = -(-(at + head) // pitch) * pitch
        tables.append(LiveTable(chain, at, head, rows, inputs, beats, pitch))
        at = tables[-1].past
    return tables


def stream_alignment(steps: Sequence[Step], config: Config) -> int:
    """Bytes of which a stream's offset must be a multiple."""
    return next_pow2(config.row_beats) * config.port.bytes if steps[0].live else 1


def stream_chunks(node: Node, steps: Sequence[Step], config: Config) -> int:
    """Length of the stream in chunks."""
    if steps[0].live:
        return stream_bytes(node, steps, config) // config.chunk_bytes
    taps = [read.taps for read in node.reads]
    return sum((s.blocks[1] - s.blocks[0])
               * ((s.inputs[1] - s.inputs[0]) * taps[s.read] * s.times * config.tile_chunks
                  + s.last * config.param_chunks) + s.tables * config.table_chunks
               for s in steps)


def stream_bytes(node: Node, steps: Sequence[Step], config: Config) -> int:
    """Length of the stream in bytes, a whole number of beats."""
    if steps[0].live:
        return live_tables(node, steps, config)[-1].past
    length = stream_chunks(node, steps, config) * config.chunk_bytes
    return -(-length // config.port.bytes) * config.port.bytes


def parameter_places(node: Node, steps: Sequence[Step], config: Config) -> dict[int, int]:
    """Where each output block's parameters begin in a stream, in bytes; zeros are not skipped."""
    places, at = {}, 0
    for step in steps:
        tiles = (step.inputs[1] - step.inputs[0]) * step.times * config.tile_chunks \
            * node.reads[step.read].taps
        for number, block in enumerate(range(*step.blocks)):
            at += config.table_chunks * (number < step.tables)
            if step.last:
                places[block] = at * config.chunk_bytes
            at += config.param_chunks * step.last + tiles
    return places


def weight_stream(node: Node, steps: Sequence[Step], config: Config) -> np.ndarray:
    """Return uint8[bytes], a whole number of beats, for COMPUTEs in order."""
    stream = np.zeros(stream_bytes(node, steps, config), np.uint8)
    params = _parameters(node.layer, config)
    if steps[0].live:
        for table in live_tables(node, steps, config):
            first, past = table.steps[0].blocks
            table_params = params[first:past].reshape(-1)
            stream[table.params:table.params + len(table_params)] = table_params
            place = stream[table.rows:table.past].reshape(table.inputs, table.pitch)
            done = 0
            for step in table.steps:
                table_rows = _rows(node, step, config)
                place[done:done + len(table_rows), :table_rows.shape[1]] = table_rows
                done += len(table_rows)
        return stream
    tables = _tables(node.layer, len(params), config)
    at = 0
    for step in steps:
        tiles = _tiles(node, step, config)
        first, past = step.blocks
        tabled = first + step.tables
        for blocks, before in ((slice(first, tabled), (tables, params)),
                               (slice(tabled, past), (params,) if step.last else ())):
            parts = [*(x[blocks] for x in before),
                     tiles[blocks.start - first:blocks.stop - first]]
            size, column = sum(x.size for x in parts), 0
            place = stream[at:at + size].reshape(len(parts[-1]), sum(x.shape[1] for x in parts))
            for part in parts:
                place[:, column:column + part.shape[1]] = part
                column += part.shape[1]
            at += size
    return stream


def _tables(layer: Layer, blocks: int, config: Config) -> np.ndarray:
    """uint8[output blocks, table_chunks * chunk_bytes]: each entry of all lanes, column by
    column; entries by their number as bits, so those from 0 on come first."""
    table = layer.table
    if table is None:
        return np.zeros((blocks, 0), np.uint8)
    cols, lanes = config.array.cols, config.array.post_lanes
    entries = np.zeros((blocks * cols, TABLE_ENTRIES), np.int8)
    entries[:len(table) if len(table) > 1 else None] = np.roll(table, TABLE_ENTRIES // 2, axis=1)
    padded = np.zeros((blocks, cols // lanes, TABLE_ENTRIES, config.table_pitch), np.int8)
    padded[..., :lanes] = entries.reshape(blocks, cols // lanes, lanes, TABLE_ENTRIES).swapaxes(
        2, 3)
    return padded.reshape(blocks, -1).view(np.uint8)


def _parameters(layer: Layer, config: Config) -> np.ndarray:
    """uint8[output blocks, param_chunks * chunk_bytes]."""
    cols = config.array.cols
    blocks = -(-len(layer.bias) // cols)
    table = np.zeros(blocks * cols, np.dtype([("bias", "<i4"), ("mult", "<u2"), ("shift", "u1"),
                                              ("zero", "u1")]))
    for name in ("bias", "mult", "shift"):
        table[name][:len(layer.bias)] = getattr(layer, name)
    padded = np.zeros((blocks, config.param_chunks * config.chunk_bytes), np.uint8)
    padded[:, :8 * cols] = table.view(np.uint8).reshape(blocks, 8 * cols)
    return padded


def _tiles(node: Node, step: Step, config: Config) -> np.ndarray:
    """uint8[output blocks, bytes of all tiles of a block]."""
    tiled = np.concatenate([_tiled(node.reads[r], step, config)
                            for r in range(step.read, step.read + step.times)], axis=1) \
        if step.times > 1 else _tiled(node.reads[step.read], step, config)
    nb, ni, kh, kw, cols, rows = tiled.shape
    count, tile = ni * kh * kw, config.tile_chunks * config.chunk_bytes
    if tile == rows * cols:
        return tiled.reshape(nb, count * tile).view(np.uint8)
    padded = np.zeros((nb, count, tile), np.uint8)
    padded[:, :, :rows * cols] = tiled.reshape(nb, count, rows * cols).view(np.uint8)
    return padded.reshape(nb, count * tile)


def _rows(node: Node, step: Step, config: Config) -> np.ndarray:
    """uint8[inputs, output channels], inputs in the order in which their words are read."""
    tiled = _tiled(node.reads[step.read], step, config)
    nb, ni, kh, kw, cols, rows = tiled.shape
    return tiled.transpose(1, 2, 3, 5, 0, 4).reshape(ni * kh * kw * rows, nb * cols).view(np.uint8)


def _range(places: np.ndarray) -> slice | np.ndarray:
    """Rising places as a slice, which is faster, if nothing is left out."""
    first, past = int(places[0]), int(places[-1]) + 1
    return slice(first, past) if past - first == len(places) else places


def _tiled(read: Read, step: Step, config: Config) -> np.ndarray:
    """int8[output blocks, input blocks, kernel rows, kernel columns, cols, rows]."""
    rows, cols, conv = config.array.rows, config.array.cols, read.conv
    kh, kw = conv.kernel
    nb, ni = step.blocks[1] - step.blocks[0], step.inputs[1] - step.inputs[0]
    out0, in0 = step.blocks[0] * cols, step.inputs[0] * rows
    per_out = conv.conv_shape[0] // conv.groups
    per_in = conv.in_shape[0] // conv.groups
    places = read.places(rows)
    dense = np.zeros((nb * cols, ni * rows, kh, kw), np.int8)
    for group in range(out0 // per_out, conv.groups):
        o0, o1 = max(out0, group * per_out), min(out0 + nb * cols, (group + 1) * per_out)
        if o0 >= o1:
            break
        at = places[group * per_in:(group + 1) * per_in] - in0
        first, past = np.searchsorted(at, (0, ni * rows))
        if first < past:
            dense[o0 - out0:o1 - out0, _range(at[first:past])] = conv.weight[o0:o1, first:past]
    return dense.reshape(nb, cols, ni, rows, kh, kw).transpose(0, 2, 4, 5, 1, 3)
