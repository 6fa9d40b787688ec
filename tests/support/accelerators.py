"""The accelerators that tests of whole programs run on, each of which is built once.

They are few, and differ in all that they can. A word of activations has 1, 2, 4 or 8 beats of the
port ("span"), or a beat several words; arrays have shapes that nothing divides; an instance has a
word's channels more than columns, or fewer; both cores, zeros that are skipped, and tables.
"""

from hw.config import PRESETS, Config

from .programs import MICROCODED, TINY

__all__ = ["CONFIGS", "PIPELINED", "PREDICTED"]


def _tiny(instances: int, rows: int, cols: int, *, port: int = 8, lanes: int = 0,
          memory: str = "shared", **buffers: int) -> Config:
    """A small accelerator, in whose activation memory little fits; buffers that are not given are
    those of the preset "tiny"."""
    return PRESETS["tiny"].replace(
        instances=instances, array__rows=rows, array__cols=cols, array__post_lanes=lanes,
        port__bytes=port, port__memory=memory,
        **{f"buffers__{name}": value for name, value in ({"act_words": 1024} | buffers).items()})


#: Name (instances x rows x columns) -> configuration.
CONFIGS = {
    "2x4x4": TINY,
    "2x4x4-zeros": TINY.replace(array__zero_skip=True),
    "8x1x1": _tiny(8, 1, 1),
    "2x1x32": _tiny(2, 1, 32, port=16),
    "1x32x1": _tiny(1, 32, 1, port=4, act_words=256),  # span 8
    "4x6x9": _tiny(4, 6, 9).replace(array__tables=True),
    "2x5x7": _tiny(2, 5, 7, port=4, queue_depth=1),  # span 2
    "3x9x3": _tiny(3, 9, 3, port=4, memory="private"),  # span 4
    # rows of weights of one beat, and memories in which little fits
    "2x16x16-zeros": _tiny(2, 16, 16, port=32, lanes=4, act_words=128, weight_fifo_beats=16,
                           queue_depth=2).replace(array__zero_skip=True, array__tables=True),
    "1x4x2-micro": MICROCODED,
}
#: Those of which the cycle model is, and in which networks of usual sizes fit.
PIPELINED = {name: config for name, config in CONFIGS.items()
             if config.core == "pipelined" and config.buffers.act_words > 128}
#: Those whose cycles it predicts within 2%. Where a block of many columns is drained by one lane,
#: a batch is up to 15% off.
PREDICTED = {name: CONFIGS[name] for name in ("2x4x4", "8x1x1", "1x32x1", "3x9x3")}
