"""What a board's system is made for."""

from dataclasses import dataclass

from boards.protocol import BUILD_BYTES, MIN_CLOCKS_PER_BIT
from hw.config import Config

from .chips import SdramTiming, check_timing

__all__ = ["SystemConfig"]


@dataclass(frozen=True, kw_only=True)
class SystemConfig:
    """A board's system.

    Parameters
    ----------
    config : Config
        The accelerator; its memory is shared.
    clock_mhz : float
    baud : int
    sdram : SdramTiming or None
    ram_bytes : int
        Block RAM that serves as memory, where there is no SDRAM.
    powerup_us : float or None
        Overrides the SDRAM's wait after reset.
    build : bytes of length `BUILD_BYTES`
        Says which sources it is made from.

    Raises
    ------
    ValueError
        Naming what does not go together.
    """

    config: Config
    clock_mhz: float
    baud: int = 3_000_000
    sdram: SdramTiming | None = None
    ram_bytes: int = 0
    powerup_us: float | None = None
    build: bytes = bytes(BUILD_BYTES)

    def __post_init__(self) -> None:
        if len(self.build) != BUILD_BYTES:
            raise ValueError(f"build has {len(self.build)} bytes; it must have {BUILD_BYTES}")
        if self.config.ports != 1:
            raise ValueError("port.memory is 'private'; a board has one memory: use 'shared'")
        if self.memory_bytes > 1 << self.config.port.address_bits:
            raise ValueError(
                f"port.address_bits is {self.config.port.address_bits}; the board's memory has "
                f"{self.memory_bytes:,} bytes")
        if self.sdram:
            check_timing(self.config, self.sdram, self.clock_mhz)
        if self.clocks_per_bit < MIN_CLOCKS_PER_BIT:
            raise ValueError(f"baud is {self.baud}, {self.clocks_per_bit} clock cycles for a bit; "
                             f"the receiver needs {MIN_CLOCKS_PER_BIT}: lower it")

    @property
    def memory_bytes(self) -> int:
        return self.sdram.bytes if self.sdram else self.ram_bytes

    @property
    def clocks_per_bit(self) -> int:
        return round(self.clock_mhz * 1e6 / self.baud)
