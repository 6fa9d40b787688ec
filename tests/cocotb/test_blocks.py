"""Each block by itself, in cocotb on Verilator, with gaps on every stream."""

import json
from collections.abc import Callable, Iterable

import pytest
from amaranth.hdl import Module, Value
from amaranth.lib import wiring

from hw.config import PRESETS, Config
from hw.gateware.compute.accumulator import Accumulator
from hw.gateware.compute.array import MacArray
from hw.gateware.compute.feeder import Feeder
from hw.gateware.compute.post import Post
from hw.gateware.compute.tiles import TileLoader
from hw.gateware.convert import to_verilog
from hw.gateware.traffic.loader import Loader
from hw.gateware.traffic.storer import Storer
from hw.gateware.traffic.weights import WeightFetch
from tests.support.runner import run_bench

pytestmark = pytest.mark.builds

#: Name -> block; the bench of a block is in `tests.cocotb.benches`, in a file of its name.
BLOCKS: dict[str, Callable[[Config], wiring.Component]] = {
    "array": MacArray, "accumulator": Accumulator, "tiles": TileLoader, "feeder": Feeder,
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
    # and several chunks to a beat
    "4x6, one lane, wide port": PRESETS["tiny"].replace(
        array__rows=4, array__cols=6, array__post_lanes=1, port__bytes=64, **SMALL),
}


def side_by_side(config: Config, names: Iterable[str] = BLOCKS) -> str:
    """Verilog of a module `blocks` with blocks, whose ports are named after them."""
    m, ports = Module(), {}
    for name in names:
        m.submodules[name] = component = BLOCKS[name](config)
        for path, _, value in component.signature.flatten(component):
            if len(Value.cast(value)):
                ports["__".join((name, *map(str, path)))] = (Value.cast(value), None)
    return to_verilog(m, "blocks", ports=ports)


@pytest.mark.parametrize("config", CONFIGS)
def test_blocks(tmp_path, config):
    benches = [f"tests.cocotb.benches.{block}" for block in BLOCKS]
    run_bench(side_by_side(CONFIGS[config]), "blocks", benches, tmp_path,
              {"PARTITA_CONFIG": json.dumps(CONFIGS[config].to_dict())})


@pytest.mark.slow
@pytest.mark.parametrize("block,config", [
    *(pytest.param(block, "4x4", id=block) for block in BLOCKS),
    pytest.param("weights", "4x6, one lane, wide port", id="weights in wide beats")])
def test_a_block_alone(tmp_path, block, config):
    """As all of them do, in the time that one takes: for mutants."""
    config = CONFIGS[config]
    run_bench(side_by_side(config, [block]), "blocks", [f"tests.cocotb.benches.{block}"], tmp_path,
              {"PARTITA_CONFIG": json.dumps(config.to_dict())})
