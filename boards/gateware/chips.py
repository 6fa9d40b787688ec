"""Memory chips by their datasheets."""

import math
from dataclasses import dataclass

from hw.config import Config, ceil_log2

__all__ = ["ULX3S_SDRAM", "SdramTiming", "check_timing"]

_REFRESHES = 8192  # rows, each refreshed once in `retention_ms`


@dataclass(frozen=True, kw_only=True)
class SdramTiming:
    """A chip, by its datasheet.

    Parameters
    ----------
    name : str
    banks, rows, columns, data_bits : int
        Geometry; `columns` words of `data_bits` in a row.
    t_rcd, t_rp, t_ras, t_rc, t_rfc, t_rrd, t_wr : float
        Nanoseconds: activate to column, precharge, activate to precharge, activate to activate
        in one bank, refresh, activate to activate in another bank, last data to precharge.
    t_mrd, wr_cycles : int
        Cycles after setting the mode; and at least from last data to precharge.
    cas : int
        CAS latency in cycles.
    max_mhz : float
        Fastest clock at that CAS latency.
    t_ac, t_oh, t_is, t_ih : float
        Nanoseconds after the clock's edge at which data is there at the latest, and until which it
        stays at least; before and after the edge for which commands and data must be stable.
    powerup_us, retention_ms : float
    """

    name: str
    banks: int = 4
    rows: int = 8192
    columns: int = 512
    data_bits: int = 16
    t_rcd: float
    t_rp: float
    t_ras: float
    t_rc: float
    t_rfc: float
    t_rrd: float
    t_wr: float
    t_mrd: int = 2
    wr_cycles: int = 1
    cas: int = 2
    max_mhz: float
    t_ac: float = 6.0
    t_oh: float = 2.5
    t_is: float = 1.5
    t_ih: float = 1.0
    powerup_us: float = 200.0
    retention_ms: float = 64.0

    @property
    def bytes(self) -> int:
        return self.banks * self.rows * self.columns * self.data_bits // 8

    @property
    def registered_pins(self) -> int:
        """Pins that a controller drives from registers: three of commands, addresses, banks, masks,
        data, and the clock."""
        return (3 + ceil_log2(self.rows) + ceil_log2(self.banks) + self.data_bits // 8
                + self.data_bits + 1)

    def cycles(self, name: str, clock_mhz: float) -> int:
        """Whole cycles that a time of the datasheet takes."""
        found = math.ceil(getattr(self, name) * clock_mhz / 1000 - 1e-9)
        return max(found, self.wr_cycles) if name == "t_wr" else found

    def refresh_cycles(self, clock_mhz: float) -> float:
        """Cycles between refreshes, on average at most."""
        return self.retention_ms * 1000 * clock_mhz / _REFRESHES


#: The worst of the chips that ULX3S boards are made with: MT48LC16M16A2-6A, IS42S16160G-7,
#: M12L2561616A-6T, AS4C32M16SB-7 (github.com/emard/ulx3s, doc/MANUAL.md, "Board Versions"; the last
#: has 1024 columns, of which the first half is used). At CL 2; tRCD, tRP, tOH of Alliance's speed
#: grade -7 (AS4C16M16SA, revision 3.0, table 16), tAC of Micron's -6A (256 Mb SDRAM, AC
#: characteristics), tRAS, tRRD of its -75 and tRFC, tWR of ISSI's (LiteDRAM, modules.py), whose
#: tDPL is two cycles.
ULX3S_SDRAM = SdramTiming(
    name="256 Mbit SDRAM of the ULX3S", t_rcd=21, t_rp=21, t_ras=44, t_rc=66, t_rfc=70, t_rrd=15,
    t_wr=20, wr_cycles=2, cas=2, max_mhz=100, t_ac=7.5)


def check_timing(config: Config, timing: SdramTiming, clock_mhz: float) -> None:
    """Refuse a clock faster than the chip, or a port whose beat is no burst of the chip.

    Raises
    ------
    ValueError
    """
    if clock_mhz > timing.max_mhz:
        raise ValueError(f"the clock is {clock_mhz} MHz; {timing.name} goes up to "
                         f"{timing.max_mhz} MHz at CAS latency {timing.cas}")
    if 8 * config.port.bytes // timing.data_bits not in (2, 4, 8):
        raise ValueError(f"port.bytes is {config.port.bytes}; {timing.name} of "
                         f"{timing.data_bits} bits needs 2, 4 or 8 words for a beat")
