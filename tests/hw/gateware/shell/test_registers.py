"""The control registers: a read is answered as late as they say."""

import pytest

from hw import registers
from hw.config import PRESETS
from hw.gateware.shell.registers import Control
from tests.support.blocks import cycles_until, send, simulate


@pytest.mark.parametrize("address,value,response", [
    (registers.address("ID"), registers.MAGIC, 0),
    (registers.address("INSTANCES"), PRESETS["tiny"].instances, 0),
    (registers.address("PROGRAM", 1), 0, 0),
    (0xFF8, 0, 2),
])
def test_a_read_is_answered_after_its_latency(address, value, response):
    dut = Control(PRESETS["tiny"])

    async def bench(ctx):
        ctx.set(dut.bus.araddr, address)
        await send(ctx, dut.bus.arvalid, dut.bus.arready)
        assert 1 + await cycles_until(ctx, dut.bus.rvalid) == Control.READ_LATENCY
        assert ctx.get(dut.bus.rresp) == response
        assert response or ctx.get(dut.bus.rdata) == value

    simulate(dut, bench)
