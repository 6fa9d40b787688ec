"""AXI4 and AXI4-Lite signatures, as other people's memory controllers and hosts speak them."""

from amaranth.hdl import Cat, Const, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config
from hw.registers import CONTROL_ADDR_BITS

__all__ = ["AxiLiteSlave", "AxiMaster", "user_bits"]

#: Width of ARUSER and AWUSER: see `user_bits`.
USER_BITS = 24


def user_bits(instance: Value, channel: Value, layer: Value) -> Value:
    """Concatenate what ARUSER and AWUSER carry: bits 4:0 the instance (of a multicast, the one
    that leads it), 6:5 the channel, 17:7 the layer."""
    return Cat(instance, Const(0, 5 - len(instance)), channel, layer, Const(0, 6))


class AxiMaster(wiring.Signature):
    """AXI4 master with one ID: responses come in order. Bursts are INCR, never across 4096
    bytes, full beats; 32-bit byte addresses."""

    def __init__(self, config: Config):
        address = {"id": Out(1), "addr": Out(32), "len": Out(8), "size": Out(3), "burst": Out(2),
                   "lock": Out(1), "cache": Out(4), "prot": Out(3), "qos": Out(4),
                   "user": Out(USER_BITS), "valid": Out(1), "ready": In(1)}
        super().__init__({
            **{f"aw{k}": v for k, v in address.items()},
            "wdata": Out(config.beat_bits), "wstrb": Out(config.port.bytes), "wlast": Out(1),
            "wvalid": Out(1), "wready": In(1),
            "bid": In(1), "bresp": In(2), "bvalid": In(1), "bready": Out(1),
            **{f"ar{k}": v for k, v in address.items()},
            "rid": In(1), "rdata": In(config.beat_bits), "rresp": In(2), "rlast": In(1),
            "rvalid": In(1), "rready": Out(1),
        })


class AxiLiteSlave(wiring.Signature):
    """AXI4-Lite slave of 32-bit registers, seen from the slave."""

    def __init__(self):
        super().__init__({
            "awvalid": In(1), "awready": Out(1), "awaddr": In(CONTROL_ADDR_BITS), "awprot": In(3),
            "wvalid": In(1), "wready": Out(1), "wdata": In(32), "wstrb": In(4),
            "bvalid": Out(1), "bready": In(1), "bresp": Out(2),
            "arvalid": In(1), "arready": Out(1), "araddr": In(CONTROL_ADDR_BITS), "arprot": In(3),
            "rvalid": Out(1), "rready": In(1), "rdata": Out(32), "rresp": Out(2),
        })
