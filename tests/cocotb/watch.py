"""Watches a memory port in cocotb, as the harness' monitor does in the simulations."""

from cocotb.triggers import RisingEdge

__all__ = ["watch_port"]


async def watch_port(dut, prefix: str, beat_bytes: int, window_bytes: int) -> None:
    """Check every burst that is asked for: within a window from address 0 on, aligned, at most to
    a multiple of 4096; and that what is offered stays as it is until it is taken."""
    fields = {channel: [getattr(dut, f"{prefix}_{channel}{name}") for name in names]
              for channel, names in (("ar", ("addr", "len", "user", "size", "burst")),
                                     ("aw", ("addr", "len", "user", "size", "burst")),
                                     ("w", ("data", "strb", "last")))}
    hands = {channel: (getattr(dut, f"{prefix}_{channel}valid"),
                       getattr(dut, f"{prefix}_{channel}ready")) for channel in fields}
    waits: dict[str, tuple[int, ...]] = {}
    while True:
        await RisingEdge(dut.clk)
        for channel, (valid, ready) in hands.items():
            offered = tuple(int(f.value) for f in fields[channel]) if valid.value == 1 else None
            assert channel not in waits or offered == waits.pop(channel), \
                f"{channel} of {prefix} changes while it waits"
            if offered is None:
                continue
            if ready.value == 0:
                waits[channel] = offered
            elif channel != "w":
                address, length, _, size, burst = offered
                end = address + (length + 1) * beat_bytes
                assert (1 << size, burst, address % beat_bytes) == (beat_bytes, 1, 0)
                assert address // 4096 == (end - 1) // 4096, f"a burst to 0x{end:x} crosses"
                assert end <= window_bytes, f"a burst to 0x{end:x} leaves the window"
