"""Where a layer's transfers read and write."""

from hw.config import Config
from sw.graph.integer import Layer

from .layout import TensorPlace
from .ops import EXTERNAL, Region

__all__ = ["place_of", "tensor_region", "transfer_fields"]


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


def transfer_fields(region: Region, act: int, act_stride: int, config: Config) -> dict[str, int]:
    """Fields of a LOAD or STORE between a tensor's region and activation memory."""
    pitch = config.word_pitch_bytes
    runs, words, stride = region.planes, region.length, region.stride * pitch
    if runs == 1 or (region.stride == words and act_stride == words):
        runs, words, stride, act_stride = 1, runs * words, 0, 0
    return {"ext_addr": region.base * pitch, "act_addr": act, "run_words": words,
            "runs": runs, "ext_stride": stride, "act_stride": act_stride}
