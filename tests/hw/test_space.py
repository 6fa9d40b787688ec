"""Every legal configuration elaborates, and all that is derived from it has room where it goes."""

import pytest
from amaranth.hdl import Fragment

from hw.config import Config, ceil_log2
from hw.gateware.signatures.ports import ControlPort
from hw.gateware.top import Shell, make_core
from hw.isa import FORMATS, Opcode, field_bits
from tests.support.space import draw_config

#: (instruction, field) -> the largest value that a configuration gives rise to by itself.
DERIVED = {
    (Opcode.WEIGHTS, "row_beats"): lambda c: c.row_beats if c.array.zero_skip else 0,
    (Opcode.COMPUTE, "live_blocks"): lambda c: c.live_blocks if c.array.zero_skip else 0,
    (Opcode.COMPUTE, "in_addr"): lambda c: c.buffers.act_words - 1,
    (Opcode.POST, "out_addr"): lambda c: c.buffers.act_words - 1,
    # of a layer that skips zeros, whose output blocks lie in a row of accumulators
    (Opcode.POST, "out_w"): lambda c: c.live_blocks if c.array.zero_skip else 1,
    (Opcode.POST, "conv_w"): lambda c: c.live_blocks if c.array.zero_skip else 1,
    **{(op, "ext_addr"): lambda c: (1 << c.port.address_bits) - c.port.bytes
       for op in (Opcode.LOAD, Opcode.STORE, Opcode.WEIGHTS)},
    **{(op, "act_addr"): lambda c: c.buffers.act_words - 1 for op in (Opcode.LOAD, Opcode.STORE)},
    **{(op, "mask"): lambda c: (1 << c.instances) - 1
       for op in (Opcode.LOAD, Opcode.WEIGHTS, Opcode.BARRIER)},
}
#: Where configurations have broken: few beats for many rows; more live blocks than a byte holds.
CORNERS = [
    Config().replace(instances=1, array__rows=rows, array__cols=2, array__post_lanes=0,
                     buffers__weight_fifo_beats=16, port__burst_beats=8) for rows in (17, 32)] + [
    Config().replace(instances=1, array__rows=1, array__cols=1, array__post_lanes=1,
                     array__zero_skip=True, port__bytes=64),
    Config().replace(instances=1, array__rows=1, array__cols=32, array__post_lanes=1,
                     port__bytes=4, port__burst_beats=2, buffers__weight_fifo_beats=16)]


def assert_fits(config: Config) -> None:
    """Each derived maximum has room in its field, and each register in its 32 bits."""
    for (opcode, name), most in DERIVED.items():
        field = next(f for f in FORMATS[opcode] if f.name == name)
        assert most(config) < 1 << field_bits(config, field), (opcode, name)
    assert config.row_beats >= 1 and config.live_blocks >= 1
    assert config.live_blocks <= config.buffers.acc_depth
    port = ControlPort(config).create()
    assert 16 * config.buffers.log_entries <= 1 << len(port.log_select)
    assert config.buffers.log_entries < 1 << len(port.log_count)
    assert ceil_log2(config.instances) <= 5
    for name in ("program", "window_base", "window_bytes", "log_select"):
        assert len(getattr(port, name)) <= 32, name


def test_what_is_derived_from_any_configuration_fits():
    for seed in range(4000):
        config = draw_config(seed)
        try:
            assert_fits(config)
        except Exception as error:
            error.add_note(f"draw_config({seed}): {config}")
            raise


@pytest.mark.parametrize("config", CORNERS, ids=lambda c: f"{c.array.rows}x{c.array.cols}")
def test_corners_elaborate(config):
    assert_fits(config)
    Fragment.get(make_core(config), None)


@pytest.mark.parametrize("seed", [
    *range(8), *(pytest.param(k, marks=pytest.mark.slow) for k in range(8, 150))])
def test_any_configuration_elaborates(seed):
    config = draw_config(seed)
    for part in (make_core(config), Shell(config)):
        Fragment.get(part, None)
