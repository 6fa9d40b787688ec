"""The boards that are known: devices, memories, links, and the configuration that suits each."""

from dataclasses import dataclass, field

from boards.gateware.chips import W9825G6KH_6, SdramTiming
from boards.gateware.settings import SystemConfig
from hw.config import PRESETS, ArrayConfig, BufferConfig, Config, PortConfig
from hw.fpga.devices import DEVICES, Device
from hw.support.arguments import nearest

from .protocol import MIN_CLOCKS_PER_BIT

__all__ = ["BOARDS", "VIRTUAL_BAUD", "Board", "find"]

#: Of a simulated UART, in simulated time, where nobody says and the board's clock allows it.
VIRTUAL_BAUD = 6_000_000


class UnknownBoard(ValueError):
    """A board that is not in the catalogue."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board.

    Members
    -------
    name, title : on the command line, and in full
    device : Device
    platform : "module:class" of amaranth-boards, or "" for one built without Amaranth's flow
    link_pins : (connector, rx, tx) of the link, where the platform has no UART
    pins : name in the top's Verilog -> pin, where there is no platform
    clock_mhz : of the accelerator, made by `pll`
    pll : parameters of the device's PLL from the board's oscillator, see `boards.flow.platforms`
    memory : in words
    sdram, ram_bytes : as in `SystemConfig`
    link, baud : the serial link
    config : the preset
    programmer : arguments of openFPGALoader before the bitstream
    usb : vendor and product of its programmer
    partitions : parts that a network is pruned into where nobody says
    note : what a user should know
    """

    name: str
    title: str
    device: Device
    platform: str
    link_pins: tuple[str, str, str] | None = None
    pins: dict[str, int] = field(default_factory=dict)
    clock_mhz: float
    pll: dict
    memory: str
    sdram: SdramTiming | None = None
    ram_bytes: int = 0
    link: str
    baud: int
    config: Config
    programmer: tuple[str, ...]
    usb: str
    bitstream: str
    partitions: int = 1
    note: str = ""

    @property
    def most_baud(self) -> int:
        """What the clock leaves the receiver of."""
        return int(self.clock_mhz * 1e6) // MIN_CLOCKS_PER_BIT

    def system(self, config: Config | None = None, **changes) -> SystemConfig:
        """The system on this board, with its preset or another configuration."""
        settings = {"config": config or self.config, "clock_mhz": self.clock_mhz,
                    "baud": self.baud, "sdram": self.sdram, "ram_bytes": self.ram_bytes}
        return SystemConfig(**{**settings, **changes})


def _config(instances: int, rows: int, cols: int, *, act_words: int, acc_depth: int, fifo: int,
            port: int, address_bits: int, burst: int = 16, queue: int = 3, log: int = 32) -> Config:
    return Config(
        instances=instances, array=ArrayConfig(rows=rows, cols=cols, post_lanes=1),
        buffers=BufferConfig(act_words=act_words, acc_depth=acc_depth, weight_fifo_beats=fifo,
                             queue_depth=queue, log_entries=log),
        port=PortConfig(bytes=port, burst_beats=burst, address_bits=address_bits))


# 25 MHz * 2, from a VCO of 500 MHz. The SDRAM's clock comes three quarters of a period
# after the accelerator's: with 3 ns on the clock's way out, 8 ns on a command's and 4 ns
# on the data's way in, a command is there 10 ns before the chip's edge and changes 4 ns
# after it, and data (6 ns after the edge, for 22 ns) surrounds the edge that takes it by
# 12 and 4 ns.
_ULX3S_PLL = {"CLKI_DIV": 1, "CLKFB_DIV": 2, "CLKOP_DIV": 10, "shift": 270}

_BOARDS = (
    Board(
        name="ulx3s", title="ULX3S-85F", device=DEVICES["ecp5-85k"],
        platform="amaranth_boards.ulx3s:ULX3S_85F_Platform", clock_mhz=50.0,
        pll=_ULX3S_PLL,
        memory="32 MiB SDRAM, 16 bits", sdram=W9825G6KH_6, link="USB serial (FT231X)",
        baud=2_000_000,
        config=_config(8, 4, 4, act_words=4096, acc_depth=128, fifo=64, port=8, address_bits=25),
        programmer=("-b", "ulx3s"), usb="0403:6015", bitstream="top.bit"),
    Board(
        name="ulx3s-12f", title="ULX3S-12F or -25F", device=Device(
            "LFE5U-12F", "ecp5", 24288, 28, 56,
            ("--12k", "--package", "CABGA381", "--speed", "6")),
        platform="amaranth_boards.ulx3s:ULX3S_12F_Platform", clock_mhz=50.0,
        pll=_ULX3S_PLL,
        memory="32 MiB SDRAM, 16 bits", sdram=W9825G6KH_6, link="USB serial (FT231X)",
        baud=2_000_000,
        config=_config(1, 2, 2, act_words=2048, acc_depth=64, fifo=32, port=4, address_bits=25,
                       burst=8, queue=2, log=16),
        programmer=("-b", "ulx3s"), usb="0403:6015", bitstream="top.bit"),
    Board(
        name="orangecrab", title="OrangeCrab r0.2 85F", device=Device(
            "LFE5U-85F", "ecp5", 83640, 156, 208,
            ("--85k", "--package", "CSFBGA285", "--speed", "8")),
        platform="amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_85FPlatform",
        link_pins=("io", "0", "1"), clock_mhz=48.0, pll={},
        memory="128 KiB block RAM (its DDR3 is not driven)", ram_bytes=1 << 17,
        link="3.3 V serial on GPIO 0 (in) and 1 (out)", baud=3_000_000,
        config=_config(2, 2, 2, act_words=4096, acc_depth=128, fifo=64, port=8, address_bits=17),
        programmer=("-b", "orangecrab"), usb="1209:5af0", bitstream="top.bit", partitions=32,
        note="networks up to 128 KiB, weights and activations together"),
    Board(
        name="icebreaker", title="iCEBreaker", device=DEVICES["ice40up5k"],
        platform="amaranth_boards.icebreaker:ICEBreakerPlatform", clock_mhz=12.0, pll={},
        memory="128 KiB SPRAM", ram_bytes=1 << 17, link="USB serial (FT2232H)", baud=1_000_000,
        config=PRESETS["ice40up5k"],
        programmer=("-b", "ice40_generic"), usb="0403:6010", bitstream="top.bin", partitions=16,
        note="networks up to 128 KiB, weights and activations together"),
    Board(
        name="tangnano20k", title="Tang Nano 20K", device=DEVICES["gw2ar-18"], platform="",
        pins={"clk": 4, "uart_rx": 70, "uart_tx": 69, "led[0]": 15, "led[1]": 16, "led[2]": 17},
        clock_mhz=27.0, pll={}, memory="16 KiB block RAM (its SDRAM is not driven)",
        ram_bytes=1 << 14, link="USB serial (BL616)", baud=1_000_000,
        config=_config(1, 4, 4, act_words=1024, acc_depth=64, fifo=32, port=4, address_bits=16,
                       burst=8, log=8),
        programmer=("-b", "tangnano20k"), usb="0403:6010", bitstream="top.fs"),
)

#: Name -> board.
BOARDS: dict[str, Board] = {b.name: b for b in _BOARDS}


def find(name: str) -> Board:
    """A board by its name.

    Raises
    ------
    UnknownBoard
    """
    if name not in BOARDS:
        raise UnknownBoard(f"no board {name!r}; there are {', '.join(BOARDS)}"
                           + nearest(name, BOARDS))
    return BOARDS[name]
