"""The boards that are known: devices, memories, links, and the configuration that suits each."""

from dataclasses import dataclass, field, replace

from boards.gateware.chips import ULX3S_SDRAM, SdramTiming
from boards.gateware.settings import SystemConfig
from hw.config import PRESETS, ArrayConfig, BufferConfig, Config, PortConfig
from hw.fpga.devices import DEVICES, Device
from hw.support.arguments import nearest
from sw.networks.names import cut_of

from .protocol import MIN_CLOCKS_PER_BIT

__all__ = ["BOARDS", "VIRTUAL_BAUD", "Board", "UnknownBoard", "Usb", "find"]

#: Of a simulated UART, in simulated time, where nobody says and the board's clock allows it.
VIRTUAL_BAUD = 6_000_000


class UnknownBoard(ValueError):
    """A board that is not in the catalogue."""


@dataclass(frozen=True, kw_only=True)
class Usb:
    """How a board shows on USB.

    Members
    -------
    ids : vendor and product, "0403:6015", of what programs it
    uart : interface of the same device that is the link's serial port; None if there is none
    name : what the device's product string contains as the board is sold
    plug : where the cable goes, in words
    """

    ids: str
    uart: int | None
    name: str
    plug: str


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
    lights : what is shown ("running", "talking", "ready") -> (resource, number, subsignal or "")
    button : resource and number of the reset button
    held_high : name -> pin that must not float or fall while the design runs
    clock_mhz : of the accelerator, made by `pll`
    pll : parameters of the device's PLL from the board's oscillator, see `boards.flow.platforms`
    memory : in words
    sdram, ram_bytes : as in `SystemConfig`
    link, baud : the serial link
    config : the preset
    programmer : arguments of openFPGALoader that name the board
    modes : where a bitstream can be loaded, by `boards.flow.programmer`; the first unless asked
    usb : Usb
    bitstream : file
    network : one that it runs with its preset
    partitions : parts that a network of ours is pruned into where nobody says
    prune : which layers of it, one of `sw.prune.names.PRUNINGS`
    note : what a user should know
    """

    name: str
    title: str
    device: Device
    platform: str
    link_pins: tuple[str, str, str] | None = None
    pins: dict[str, int] = field(default_factory=dict)
    lights: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    button: tuple[str, int] | None = None
    held_high: dict[str, str] = field(default_factory=dict)
    clock_mhz: float
    pll: dict
    memory: str
    sdram: SdramTiming | None = None
    ram_bytes: int = 0
    link: str
    baud: int
    config: Config
    programmer: tuple[str, ...]
    modes: tuple[str, ...]
    usb: Usb
    bitstream: str
    network: str = "digits"
    partitions: int = 1
    prune: str = "fc"
    note: str = ""

    def parts(self, config: Config) -> int:
        """Partitions of a network of ours where nobody says, with a configuration."""
        return max(self.partitions, config.instances)

    def cut(self, name: str, config: Config) -> tuple[int, str]:
        """Partitions of a network of ours where nobody says, and what is pruned."""
        return cut_of(name, self.parts(config), self.prune)

    @property
    def port(self) -> str:
        """What --port is given: auto, where the link is on the board's own USB device."""
        return "PATH" if self.usb.uart is None else "auto"

    @property
    def most_baud(self) -> int:
        """What the clock leaves the receiver of."""
        return int(self.clock_mhz * 1e6) // MIN_CLOCKS_PER_BIT

    @property
    def chip_phase(self) -> int:
        """Of the SDRAM's clock, in eighths of the PLL's own period."""
        return self.pll["shift"] * self.pll["CLKOP_DIV"] * 8 // 360

    @property
    def shift_ns(self) -> float:
        """By which the SDRAM's clock comes after the accelerator's."""
        return self.chip_phase * 1000 / self.clock_mhz / (8 * self.pll["CLKOP_DIV"])

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


#: 25 MHz * 2, from a VCO of 500 MHz. The SDRAM's clock comes 15.75 of 20 ns after the other, in the
#: middle of what `boards.gateware.margins` leaves: data on the way back are there 1.75 ns
#: sooner than they must and stay 1.65 ns longer; commands have more.
_ULX3S_PLL = {"CLKI_DIV": 1, "CLKFB_DIV": 2, "CLKOP_DIV": 10, "shift": 285}


def _ulx3s(size: str, config: Config) -> Board:
    """A ULX3S with one of four FPGAs.

    Its ESP32 module, with the firmware that it is sold with, loads a design of its own once GPIO0
    has been low for seconds: FPGA pin L2 up to version 3.0.x, F1 on 3.1.x, where L2 is another
    GPIO; F1 enables the module on 3.0.x (github.com/emard/ulx3s, doc/constraints).
    """
    return Board(
        name=f"ulx3s-{size}f", title=f"ULX3S-{size}F", device=DEVICES[f"ecp5-{size}k"],
        platform=f"amaranth_boards.ulx3s:ULX3S_{size}F_Platform",
        lights={"running": ("led", 0, ""), "talking": ("led", 1, ""), "ready": ("led", 2, "")},
        button=("button_fire", 0), held_high={"wifi_gpio0": "L2", "wifi_gpio0_v31": "F1"},
        clock_mhz=50.0, pll=_ULX3S_PLL, memory="32 MiB SDRAM, 16 bits", sdram=ULX3S_SDRAM,
        link="USB serial (FT231X)", baud=2_000_000, config=config, programmer=("-b", "ulx3s"),
        modes=("ram", "flash"), bitstream="top.bit",
        usb=Usb(ids="0403:6015", uart=0, name="ULX3S", plug="the micro-USB port marked US1"),
        partitions=8)


def _orangecrab(size: str, ram_kib: int, config: Config, *, prune: str, partitions: int) -> Board:
    """An OrangeCrab r0.2, loaded through its bootloader, which writes flash memory."""
    device = DEVICES[f"ecp5-{size}k"]
    return Board(
        name=f"orangecrab-{size}f", title=f"OrangeCrab r0.2 {size}F",
        device=replace(device, options=(f"--{size}k", "--package", "CSFBGA285", "--speed", "8")),
        platform=f"amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_{size}FPlatform",
        link_pins=("io", "0", "1"), button=("button", 0),
        lights={"running": ("rgb_led", 0, "r"), "talking": ("rgb_led", 0, "g"),
                "ready": ("rgb_led", 0, "b")},
        clock_mhz=48.0, pll={}, memory=f"{ram_kib} KiB block RAM (its DDR3 is not driven)",
        ram_bytes=ram_kib << 10,
        link="3.3 V serial on GPIO 0 (in) and 1 (out)", baud=1_000_000, config=config,
        programmer=("-b", "orangeCrab"), modes=("dfu",), bitstream="top.dfu",
        usb=Usb(ids="1209:5af0", uart=None, name="OrangeCrab",
                plug="its USB-C port, the button held down meanwhile"),
        partitions=partitions, prune=prune, note=_up_to(ram_kib))


def _up_to(ram_kib: int) -> str:
    return f"networks up to {ram_kib} KiB, weights and activations together"


_SMALL_ULX3S = _config(1, 2, 2, act_words=2048, acc_depth=64, fifo=32, port=4, address_bits=25,
                       burst=8, queue=2, log=16)

_BOARDS = (
    _ulx3s("12", _SMALL_ULX3S),
    _ulx3s("25", _SMALL_ULX3S),
    _ulx3s("45", _config(2, 4, 4, act_words=4096, acc_depth=128, fifo=64, port=8,
                         address_bits=25)),
    _ulx3s("85", _config(8, 4, 4, act_words=4096, acc_depth=128, fifo=64, port=8,
                         address_bits=25)),
    _orangecrab("25", 72, _config(1, 2, 2, act_words=1024, acc_depth=64, fifo=32, port=4,
                                  address_bits=17, burst=8, queue=2, log=16),
                prune="all", partitions=16),
    _orangecrab("85", 128, _config(2, 2, 2, act_words=4096, acc_depth=128, fifo=64, port=8,
                                   address_bits=17),
                prune="fc", partitions=32),
    Board(
        name="icebreaker", title="iCEBreaker", device=DEVICES["ice40up5k"],
        platform="amaranth_boards.icebreaker:ICEBreakerPlatform", clock_mhz=12.0, pll={},
        lights={"running": ("led", 0, ""), "ready": ("led", 1, "")}, button=("button", 0),
        memory="128 KiB SPRAM", ram_bytes=1 << 17, link="USB serial (FT2232H)", baud=1_000_000,
        config=PRESETS["ice40up5k"], programmer=("-b", "ice40_generic"), modes=("flash",),
        usb=Usb(ids="0403:6010", uart=1, name="iCEBreaker", plug="its micro-USB port"),
        bitstream="top.bin", partitions=16, note=_up_to(128)),
    Board(
        name="tangnano20k", title="Tang Nano 20K", device=DEVICES["gw2ar-18"], platform="",
        pins={"clk": 4, "button": 88, "uart_rx": 70, "uart_tx": 69, "led[0]": 15, "led[1]": 16,
              "led[2]": 17},  # the button is S1, 1 while it is pressed
        clock_mhz=27.0, pll={}, memory="72 KiB block RAM (its SDRAM is not driven)",
        ram_bytes=72 << 10, link="USB serial (BL616)", baud=1_000_000,
        config=_config(1, 2, 2, act_words=1024, acc_depth=32, fifo=32, port=4, address_bits=17,
                       burst=8, queue=2, log=16),
        programmer=("-b", "tangnano20k"), modes=("ram", "flash"),
        usb=Usb(ids="0403:6010", uart=1, name="USB Debugger", plug="its USB-C port"),
        bitstream="top.fs", partitions=16, prune="all", note=_up_to(72)),
)

#: Name -> board.
BOARDS: dict[str, Board] = {b.name: b for b in _BOARDS}


def find(name: str) -> Board:
    """A board by its name.

    Raises
    ------
    UnknownBoard
    """
    if kinds := [b for b in BOARDS if b.startswith(f"{name}-")]:
        raise UnknownBoard(f"{name!r} is made with more than one FPGA, and a bitstream is for one: "
                           f"take {', '.join(kinds)}; the FPGA has its name printed on it")
    if name not in BOARDS:
        raise UnknownBoard(f"no board {name!r}; there are {', '.join(BOARDS)}"
                           + nearest(name, BOARDS))
    return BOARDS[name]
