"""A simulated SDRAM chip: its times, the ways to it, and what may be broken about it."""

import ctypes
from dataclasses import astuple, dataclass

from boards.gateware.chips import SdramTiming
from boards.gateware.settings import SystemConfig

__all__ = ["FAULTS", "Delays", "Faults", "chip_setup", "way_to"]


@dataclass(frozen=True, kw_only=True)
class Delays:
    """How long ways between the FPGA's registers and the chip take, in ns.

    Members
    -------
    clock : from an edge of the FPGA's clock to the chip's
    command : from it until commands, addresses and written data are at the chip
    data : from the chip until a word is at the register that takes it
    t_is, t_ih : which the chip needs before and after its edge
    t_ac, t_oh : after which a word is there, and for which the one before stays
    setup, hold : which the register needs that takes a word

    A pin that changes while it is looked at is seen as noise.
    """

    clock: float
    command: float
    data: float
    t_is: float = 0.0
    t_ih: float = 0.0
    t_ac: float = 0.0
    t_oh: float = 0.0
    setup: float = 0.0
    hold: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What is broken about a simulated board.

    Members
    -------
    stuck : (data pin of the SDRAM, the value that it has always), or None
    swapped : two of its address pins, each where the other belongs, or None
    refresh : it is refreshed
    fades_after_s : without refresh, for which a row keeps what is in it, left alone
    drop_every : of the bytes to the board, one in so many is lost, or None
    clock : of the board, as a part of what it should be
    """

    stuck: tuple[int, int] | None = None
    swapped: tuple[int, int] | None = None
    refresh: bool = True
    fades_after_s: float = 0.06
    drop_every: int | None = None
    clock: float = 1.0

    @property
    def of_memory(self) -> bool:
        """Whether they take an SDRAM."""
        return bool(self.stuck or self.swapped or not self.refresh)


#: What `boards check --virtual --inject` breaks, by name.
FAULTS = {
    "stuck-data-pin": Faults(stuck=(5, 1)), "swapped-address-pins": Faults(swapped=(8, 9)),
    "no-refresh": Faults(refresh=False), "dropped-bytes": Faults(drop_every=4001),
    "wrong-clock": Faults(clock=0.5), "slow-clock": Faults(clock=0.98)}


def way_to(chip: SdramTiming, *, clock: float, command: float, data: float,
           setup: float = 0.0, hold: float = 0.0) -> Delays:
    """Ways to a chip with its datasheet's times."""
    return Delays(clock=clock, command=command, data=data, t_is=chip.t_is, t_ih=chip.t_ih,
                  t_ac=chip.t_ac, t_oh=chip.t_oh, setup=setup, hold=hold)


def _fields(kind: type, names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]


class _Timing(ctypes.Structure):
    _fields_ = [*_fields(ctypes.c_uint32, "banks rows columns bytes clock_ps rcd rp ras rc rfc rrd "
                                          "wr mrd_cycles wr_cycles cas"),
                *_fields(ctypes.c_uint64, "powerup refresh noise")]


class _Faults(ctypes.Structure):
    _fields_ = [("ones", ctypes.c_uint32), ("zeros", ctypes.c_uint32),
                ("swap", ctypes.c_uint32 * 2), ("fades", ctypes.c_uint64)]


class _Delays(ctypes.Structure):
    _fields_ = _fields(ctypes.c_int64, "clock command data is ih ac oh setup hold")


class _Setup(ctypes.Structure):
    _fields_ = [("timing", _Timing), ("faults", _Faults), ("delays", _Delays)]


def chip_setup(system: SystemConfig, chip: SdramTiming, *, faults: Faults | None = None,
               delays: Delays | None = None, noise: int = 1) -> ctypes.Structure:
    """A chip as `harness/wires.h` wants it, on a system's clock.

    Parameters
    ----------
    faults : what is broken, or None
    delays : of its ways; None for a clock in the middle of everything, and ways that take no time
    noise : draws what is in it when it powers up
    """
    broken, period = faults or Faults(), 1000 / system.clock_mhz
    powerup = chip.powerup_us if system.powerup_us is None else system.powerup_us
    ways = delays or Delays(clock=period / 2, command=0, data=period)
    pin, value = broken.stuck or (0, 0)
    stuck = bool(broken.stuck) << pin
    refresh = round(chip.retention_ms * 1e9 / chip.rows)
    return _Setup(
        _Timing(chip.banks, chip.rows, chip.columns, chip.data_bits // 8, round(1000 * period),
                *(round(1000 * getattr(chip, f"t_{n}")) for n in
                  ("rcd", "rp", "ras", "rc", "rfc", "rrd", "wr")),
                chip.t_mrd, chip.wr_cycles, chip.cas, round(powerup * 1e6), refresh, noise),
        _Faults(stuck * value, stuck * (not value), broken.swapped or (0, 0),
                0 if broken.refresh else round(broken.fades_after_s * 1e12)),
        _Delays(*(round(1000 * x) for x in astuple(ways))))
