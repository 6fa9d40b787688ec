"""Single blocks in Amaranth's simulator."""

from amaranth.sim import Simulator

__all__ = ["POINT", "WINDOW", "cycles_until", "send", "simulate"]

#: A COMPUTE and a POST of one output of one input.
POINT = {"in_w": 1, "in_h": 1, "stride_h": 1, "stride_w": 1, "kernel_w": 1, "kernel_h": 1,
         "dilation_h": 1, "dilation_w": 1, "out_w": 1, "out_h": 1, "in_blocks": 1,
         "out_blocks": 1, "tiles": 1, "first": 1, "last": 1}
WINDOW = {"out_w": 1, "out_h": 1, "conv_w": 1, "conv_h": 1, "pool_w": 1, "pool_h": 1,
          "pool_stride_h": 1, "pool_stride_w": 1, "out_blocks": 1, "out_plane": 1, "low": 0x80,
          "high": 0x7f}


def simulate(module, bench) -> None:
    """Run a bench with a block's clock, if it has one, until the bench ends."""
    simulator = Simulator(module)
    simulator.add_clock(1e-6, if_exists=True)
    simulator.add_testbench(bench)
    simulator.run()


async def cycles_until(ctx, signal, limit: int = 1000) -> int:
    """Cycles until a signal is 1."""
    cycles = 0
    while not ctx.get(signal):
        await ctx.tick()
        cycles += 1
        assert cycles < limit, f"{signal} stays 0"
    return cycles


async def send(ctx, valid, ready=None) -> None:
    """Hold `valid` until it has been taken: for a cycle, if there is no `ready`."""
    ctx.set(valid, 1)
    if ready is not None:
        await cycles_until(ctx, ready)
    await ctx.tick()
    ctx.set(valid, 0)
