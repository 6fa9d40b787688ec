"""Queues whose memory is to be of a kind."""

from amaranth.lib import fifo

__all__ = ["BlockFifo"]


class BlockFifo(fifo.SyncFIFOBuffered):
    """A queue in block RAM, where Yosys would choose small memories of LUTs for so few words."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.submodules.storage.attrs["ram_style"] = "block"
        return m
