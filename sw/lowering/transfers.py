"""Where a layer's transfers read and write."""

from collections.abc import Iterator, Mapping

from hw.config import Config
from sw.graph.integer import Layer
from sw.graph.joins import corners
from sw.graph.records import RECORD

from .geometry import Window, size
from .layout import RecordPlace, TensorPlace
from .nodes import Read
from .ops import ACT, EXTERNAL, Region

__all__ = ["input_regions", "place_of", "record_regions", "tensor_region", "tile_regions",
           "transfer_fields"]


def place_of(tensor: TensorPlace, layer: Layer, image: int) -> TensorPlace:
    """Where a layer reads or writes."""
    return tensor.stack() if layer.images > 1 else tensor.image(image)


def tensor_region(place: TensorPlace, words: tuple[int, int], rows: tuple[int, int],
                  config: Config) -> Region:
    """Rows of some word blocks of a tensor."""
    width, plane = place.shape[2], place.plane_stride // config.word_pitch_bytes
    first = place.offset // config.word_pitch_bytes
    return Region(EXTERNAL, first + words[0] * plane + rows[0] * width, words[1] - words[0],
                  plane, (rows[1] - rows[0]) * width)


def tile_regions(place: TensorPlace, words: tuple[int, int], rows: tuple[int, int],
                 columns: tuple[int, int], act: int, plane: int, config: Config,
                 ) -> Iterator[tuple[Region, Region]]:
    """What moves between a tensor's tile and activation memory, where the tile's blocks lie
    `plane` words apart from `act` on: at once if its rows are whole, else block by block or row by
    row, whichever are fewer."""
    whole = tensor_region(place, words, rows, config)
    blocks, high, width = words[1] - words[0], rows[1] - rows[0], columns[1] - columns[0]
    if width == place.shape[2]:
        yield whole, Region(ACT, act, blocks, plane, high * width)
        return
    start, stride = whole.base + columns[0], place.shape[2]
    if blocks <= high:
        for k in range(blocks):
            yield Region(EXTERNAL, start + k * whole.stride, high, stride, width), \
                Region(ACT, act + k * plane, high, width, width)
        return
    for k in range(high):
        yield Region(EXTERNAL, start + k * stride, blocks, whole.stride, width), \
            Region(ACT, act + k * width, blocks, plane, width)


def record_regions(place: RecordPlace, words: tuple[int, int], act: int, config: Config,
                   ) -> Iterator[tuple[Region, Region]]:
    """What moves of word blocks of records, which lie one after the other in activation memory from
    `act` on, to the streams that they are parameters in: equal distances at once."""
    array, pitch = config.array, config.word_pitch_bytes
    each = RECORD * array.cols // array.rows  # words of an output block's parameters
    pieces = []
    for blocks in place.blocks:
        for block in range(words[0] // each, -(-words[1] // each)):
            if block in blocks:
                first, past = max(words[0], block * each), min(words[1], (block + 1) * each)
                pieces.append((blocks[block] // pitch + first - block * each,
                               act + first - words[0], past - first))
    while pieces:
        (base, start, length), count = pieces[0], 1
        stride = pieces[1][0] - base if len(pieces) > 1 else 0
        while count < len(pieces) and pieces[count] == (
                base + count * stride, start + count * length, length):
            count += 1
        yield Region(EXTERNAL, base, count, stride, length), \
            Region(ACT, start, count, length, length)
        pieces = pieces[count:]


def input_regions(read: Read, places: Mapping[int, TensorPlace], span: tuple[int, int],
                  needs: Window, start: int, config: Config) -> Iterator[tuple[Region, Region]]:
    """What moves of a span of a read's blocks, of which the first would lie at `start`; of a join
    part by part."""
    if read.tiled:
        shapes = [places[value].shape for value in read.values]
        for value, corner in zip(read.values, corners(shapes, read.by), strict=True):
            yield from _lattice_regions(places[value], span, needs, (1, 1), corner,
                                        start + span[0] * needs.plane, config)
        return
    if read.by != (1, 1):
        for k, value in enumerate(read.values):
            yield from _lattice_regions(places[value], span, needs, read.by, divmod(k, read.by[1]),
                                        start + span[0] * needs.plane, config)
        return
    for value, first, past, at in read.parts(span, config.array.rows):
        yield from tile_regions(places[value], (first, past), needs.rows.read, needs.columns.read,
                                start + at * needs.plane, needs.plane, config)


def _lattice_regions(place: TensorPlace, words: tuple[int, int], needs: Window,
                     by: tuple[int, int], first: tuple[int, int], act: int, config: Config,
                     ) -> Iterator[tuple[Region, Region]]:
    """What moves from a tensor to every `by[0]`th row and `by[1]`th column of a larger map, from
    its row and column `first` on, of which activation memory holds the window that is needed, its
    blocks one after the other from `act` on."""
    rows, columns = needs.rows.read, needs.columns.read
    (y0, y1), (x0, x1) = (
        tuple(min(most, max(0, -(-(edge - start) // step))) for edge in span)
        for span, start, step, most in zip((rows, columns), first, by, place.shape[1:],
                                           strict=True))
    if y0 >= y1 or x0 >= x1:
        return
    width = size(columns)
    corner = act + (y0 * by[0] + first[0] - rows[0]) * width + x0 * by[1] + first[1] - columns[0]
    for block in range(*words):
        start = tensor_region(place, (block, block + 1), (y0, y1), config).base + x0
        at = corner + (block - words[0]) * needs.plane
        if by[1] == 1:
            yield Region(EXTERNAL, start, y1 - y0, place.shape[2], x1 - x0), \
                Region(ACT, at, y1 - y0, by[0] * width, x1 - x0)
            continue
        for y in range(y1 - y0):  # one by one
            yield Region(EXTERNAL, start + y * place.shape[2], x1 - x0, 1, 1), \
                Region(ACT, at + y * by[0] * width, x1 - x0, by[1], 1)


def transfer_fields(region: Region, act: Region, config: Config) -> dict[str, int]:
    """Fields of a LOAD or STORE between a tensor's region and as large a one of activation
    memory."""
    pitch, act_stride = config.word_pitch_bytes, act.stride
    runs, words, stride = region.planes, region.length, region.stride * pitch
    if runs == 1 or (region.stride == words and act_stride == words):
        runs, words, stride, act_stride = 1, runs * words, 0, 0
    return {"ext_addr": region.base * pitch, "act_addr": act.base, "run_words": words,
            "runs": runs, "ext_stride": stride, "act_stride": act_stride}
