"""FPGAs: their families, what they have, and what a design takes of them."""

from dataclasses import dataclass

__all__ = ["DEVICES", "Device", "DoesNotFitError", "Usage"]


class DoesNotFitError(ValueError):
    """A configuration that is too large for a device."""

    exit_code = 4


@dataclass(frozen=True)
class Device:
    """An FPGA: `name`, `family` of `FAMILIES`, and what it has; `options` of nextpnr, and its JTAG
    `identity`, where bitstreams ask for one."""

    name: str
    family: str
    luts: int
    dsps: int
    block_rams: int
    options: tuple[str, ...] = ()
    identity: int | None = None


@dataclass(frozen=True)
class Usage:
    """What a design takes: LUTs (with those of carries and small memories), flip-flops, DSP
    blocks, block RAMs."""

    luts: int
    flip_flops: int
    dsps: int
    block_rams: int

    def lacks(self, device: Device, share: float = 1.0) -> list[str]:
        """What a device has too little of, in words; with at most a share of its LUTs used."""
        pairs = (("LUTs", self.luts, int(share * device.luts)),
                 ("flip-flops", self.flip_flops, device.luts),
                 ("DSP blocks", self.dsps, device.dsps),
                 ("block RAMs", self.block_rams, device.block_rams))
        return [f"{need:,} {what} of {has:,}" for what, need, has in pairs if need > has]


def _ecp5(size: str, luts: int, dsps: int, block_rams: int, identity: int) -> Device:
    return Device(f"LFE5U-{size}F", "ecp5", luts, dsps, block_rams,
                  (f"--{size}k", "--package", "CABGA381", "--speed", "6"), identity)


#: Name -> device. The 12F is the 25F's chip under another identity, which it insists on
#: (prjtrellis, devices.json).
DEVICES = {
    "ecp5-12k": _ecp5("12", 24288, 28, 56, 0x21111043),
    "ecp5-25k": _ecp5("25", 24288, 28, 56, 0x41111043),
    "ecp5-45k": _ecp5("45", 43848, 72, 108, 0x41112043),
    "ecp5-85k": _ecp5("85", 83640, 156, 208, 0x41113043),
    "ice40up5k": Device("iCE40UP5K", "ice40", 5280, 8, 30, ("--up5k", "--package", "sg48")),
    "gw2ar-18": Device("GW2AR-18", "gowin", 20736, 48, 46,
                       ("--device", "GW2AR-LV18QN88C8/I7", "--vopt", "family=GW2A-18C")),
}
