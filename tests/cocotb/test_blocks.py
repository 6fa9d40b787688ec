"""Each block by itself, in cocotb on Verilator, with gaps on every stream."""

import json

import pytest
from amaranth.back import verilog

from hw.accumulator import Accumulator
from hw.array import MacArray
from hw.config import PRESETS
from hw.feeder import Feeder
from hw.loader import Loader
from hw.post import Post
from hw.storer import Storer
from hw.tiles import TileLoader
from hw.weights import WeightFetch

from .runner import run_bench

BLOCKS = {"array": MacArray, "accumulator": Accumulator, "tiles": TileLoader, "feeder": Feeder,
          "post": Post, "weights": WeightFetch, "loader": Loader, "storer": Storer}
SMALL = {"instances": 3, "buffers__acc_depth": 32, "buffers__act_words": 1 << 15}
CONFIGS = {
    "4x4": PRESETS["tiny"].replace(**SMALL),
    # rows, columns, lanes, words and beats that do not divide each other
    "6x4": PRESETS["tiny"].replace(array__rows=6, array__cols=4, array__post_lanes=2,
                                   port__bytes=4, port__burst_beats=8, **SMALL),
    # one lane: parameters in a memory, whose words are wider than a chunk, or narrower
    "4x6, one lane": PRESETS["tiny"].replace(array__rows=4, array__cols=6, array__post_lanes=1,
                                             port__bytes=4, port__burst_beats=8, **SMALL),
    "4x6, one lane, wide port": PRESETS["tiny"].replace(
        array__rows=4, array__cols=6, array__post_lanes=1, port__bytes=32, **SMALL),
}


@pytest.mark.parametrize("gap", [0.0, 0.5, 0.85])
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("block", BLOCKS)
def test_block(tmp_path, block, config, gap):
    text = verilog.convert(BLOCKS[block](CONFIGS[config]), name=block, emit_src=False)
    run_bench(text, block, "tests.cocotb.blocks_bench", tmp_path,
              {"PARTITA_CONFIG": json.dumps(CONFIGS[config].to_dict()), "PARTITA_GAP": str(gap)},
              test=block)
