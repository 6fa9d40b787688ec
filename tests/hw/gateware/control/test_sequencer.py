"""From the beats of a program to its instructions, as late as the blocks say."""

import pytest

from hw.config import PRESETS
from hw.gateware.control.fetch import Fetch
from hw.gateware.control.sequencer import Sequencer
from hw.isa import ALONE_LIVE, INSN_BYTES, UNITS, ErrorCode, Opcode, decode, encode, field_error
from tests.support.blocks import POINT, cycles_until, send, simulate

STORE = encode(Opcode.STORE, ext_addr=0, act_addr=5, run_words=1, runs=1, ext_stride=0,
               act_stride=0, layer=7)


async def feed(ctx, dut, insn: bytes = STORE) -> None:
    """Start, and answer the first request with one instruction."""
    await send(ctx, dut.start)
    assert await cycles_until(ctx, dut.req.valid) == 1
    await send(ctx, dut.req.ready)
    size = len(dut.ret.data) // 8
    for at in range(0, max(size, INSN_BYTES), size):
        ctx.set(dut.ret.data, int.from_bytes(insn[at:at + size], "little"))
        await send(ctx, dut.ret.valid)


@pytest.mark.parametrize("port_bytes", [4, 8, 32, 64])
def test_an_instruction_comes_a_latency_after_its_last_beat(port_bytes):
    dut = Fetch(PRESETS["tiny"].replace(port__bytes=port_bytes))

    async def bench(ctx):
        await feed(ctx, dut)
        assert 1 + await cycles_until(ctx, dut.o.valid) == dut.LATENCY
        assert ctx.get(dut.o.payload) == int.from_bytes(STORE, "little")

    simulate(dut, bench)


@pytest.mark.parametrize("port_bytes", [8, 32])
def test_an_instruction_is_offered_to_its_unit_a_latency_after_its_last_beat(port_bytes):
    dut = Sequencer(PRESETS["tiny"].replace(port__bytes=port_bytes))

    async def bench(ctx):
        await feed(ctx, dut)
        assert 1 + await cycles_until(ctx, dut.o_store.valid) == dut.LATENCY
        assert not any(ctx.get(getattr(dut, f"o_{u}").valid) for u in UNITS if u != "store")
        assert ctx.get(dut.o_store.payload.layer) == 7
        assert ctx.get(dut.o_store.payload.act_addr) == 5

    simulate(dut, bench)


@pytest.mark.parametrize("wrong", [None, *ALONE_LIVE, "tables"])
def test_live_inputs_are_of_one_pixel_and_one_output_block(wrong):
    config = PRESETS["tiny"].replace(array__zero_skip=True, array__tables=True)
    changed = {} if wrong is None else {wrong: 1 if wrong == "tables" else 2}
    insn = encode(Opcode.COMPUTE, in_addr=0, in_plane=1, pad_top=0, pad_left=0, layer=9,
                  live_blocks=2, epsilon=1, **{**POINT, **changed})
    assert field_error(config, *decode(insn)) == wrong
    dut = Sequencer(config)

    async def bench(ctx):
        await feed(ctx, dut, insn)
        for _ in range(2 * dut.LATENCY):
            error = ctx.get(dut.error)
            if error != ErrorCode.NONE:
                assert wrong and error == ErrorCode.BAD_FIELD
                assert (ctx.get(dut.error_layer), ctx.get(dut.error_opcode)) == (
                    9, Opcode.COMPUTE.value)
                return
            await ctx.tick()
        assert not wrong and ctx.get(dut.o_compute.valid)

    simulate(dut, bench)


def test_what_follows_a_fence_waits_until_all_is_idle():
    dut = Sequencer(PRESETS["tiny"].replace(port__bytes=32))

    async def bench(ctx):
        await feed(ctx, dut, encode(Opcode.FENCE, layer=3))
        ctx.set(dut.ret.data, int.from_bytes(STORE, "little"))
        await send(ctx, dut.ret.valid)
        for _ in range(3 * dut.LATENCY):
            assert not ctx.get(dut.o_store.valid) and ctx.get(dut.drained)
            await ctx.tick()
        ctx.set(dut.idle, 1)
        await ctx.tick().repeat(dut.LATENCY)
        assert ctx.get(dut.o_store.valid)
        assert ctx.get(dut.o_store.payload.layer) == 7 and ctx.get(dut.error) == ErrorCode.NONE

    simulate(dut, bench)


def test_a_fence_names_no_tokens():
    insn = encode(Opcode.FENCE, wait=1)
    assert field_error(PRESETS["tiny"], *decode(insn)) == "wait"
