"""Outputs that are another layer's requantisation parameters, as they lie in its weight streams."""

from dataclasses import dataclass

import numpy as np

from hw.config import Config
from sw.graph.records import RECORD
from sw.lowering.layout import RecordPlace

__all__ = ["StoredRecords", "records_in"]


@dataclass(frozen=True)
class StoredRecords:
    """Members: the `layer` that gives them, the byte offsets `first` and `past` the last of the
    streams, the `channels` that there are records of, and where the records of each output block of
    them begin (`blocks`)."""

    layer: int
    first: int
    past: int
    channels: int
    blocks: tuple[int, ...]

    def unpack(self, raw: np.ndarray, config: Config) -> np.ndarray:
        """Return int8[8 * channels, 1, 1] of the streams' bytes."""
        size = RECORD * config.array.cols
        found = np.concatenate([raw[at - self.first:at - self.first + size] for at in self.blocks])
        return found[:RECORD * self.channels].view(np.int8).reshape(-1, 1, 1).copy()


def records_in(layer: int, channels: int, place: RecordPlace) -> StoredRecords:
    """What a layer stores, of which some streams may have copies."""
    blocks = {block: at for stream in place.blocks for block, at in stream.items()}
    return StoredRecords(layer, place.first, place.past, channels,
                         tuple(blocks[block] for block in sorted(blocks)))
