"""A board's top level: clock, pins, and the flow from Amaranth's RTL to a bitstream."""

import importlib.util

from amaranth.build import Attrs, Pins, Resource, Subsignal
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Module, ResetSignal, Signal
from amaranth.hdl import Instance as BlackBox
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer, ResetSynchronizer

from boards.catalogue import Board
from boards.gateware.settings import SystemConfig
from boards.gateware.system import BoardSystem
from hw.support.errors import ToolMissingError

__all__ = ["GOWIN_TOP", "PLATFORMS", "RESET_CYCLES", "BoardTop", "check_platform",
           "gowin_constraints", "make_platform"]

#: Module of the platforms, and the package that has it.
PLATFORMS = "amaranth_boards", "amaranth-boards"
_LINK = "partita_uart"  # the resource of a board's `link_pins`
_HELD = "partita_held"  # and of its pins `held_high`
#: Cycles in reset where there is no PLL to wait for. An iCE40's block RAM reads zero for some 3 us
#: after configuration, 36 cycles at 12 MHz.
RESET_CYCLES = 256

#: The top on a Gowin FPGA, for which there is no platform: as `BoardTop`, in Verilog.
GOWIN_TOP = """\
module top(input clk, input button, input uart_rx, output uart_tx, output [2:0] led);
  reg [1:0] pressed = 0;
  reg [7:0] count = 0;
  always @(posedge clk) begin
    pressed <= {pressed[0], button};
    if (pressed[1]) count <= 0;
    else if (!(&count)) count <= count + 1;
  end
  wire running, talking, ready;
  assign led = ~{ready, talking, running};
  board system(.clk(clk), .rst(~&count), .rx(uart_rx), .tx(uart_tx), .running(running),
               .talking(talking), .memory_ready(ready));
endmodule
"""


class BoardTop(Elaboratable):
    """The system on a board's pins."""

    def __init__(self, board: Board, system: SystemConfig):
        self._board, self._system = board, system

    def elaborate(self, platform):
        m = Module()
        board = self._board
        m.submodules.system = system = BoardSystem(self._system)
        self._clock(m, platform, self._button(m, platform))
        uart = platform.request(_LINK if board.link_pins else "uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [system.rx.eq(rx.i), tx.o.eq(system.tx)]
        self._lights(m, platform, {"running": system.running, "talking": system.talking,
                                   "ready": system.memory_ready})
        for k in range(len(board.held_high)):
            pin = platform.request(_HELD, k, dir="-")
            m.submodules[f"held_{k}"] = held = io.Buffer("o", pin)
            m.d.comb += held.o.eq(1)
        if self._system.sdram:
            self._sdram(m, platform, system.sdram)
        return m

    def _lights(self, m, platform, shown):
        """The board's lights; those of one resource are requested together."""
        lights = self._board.lights
        resources = {place: platform.request(*place, dir="-")
                     for place in {(name, number) for name, number, _ in lights.values()}}
        for what, (name, number, part) in lights.items():
            led = resources[name, number]
            m.submodules[f"light_{what}"] = buffer = io.Buffer(
                "o", getattr(led, part) if part else led)
            m.d.comb += buffer.o.eq(shown[what])

    def _button(self, m, platform):
        """1 while the reset button is held, at no clock's edge."""
        if self._board.button is None:
            return Signal()
        pin = platform.request(*self._board.button, dir="-")
        m.submodules.button = button = io.Buffer("i", pin)
        return button.i

    def _clock(self, m, platform, pressed):
        """The domain `sync`, and `chip`, its clock as the SDRAM sees it; `pressed` resets."""
        board = self._board
        oscillator = platform.request(platform.default_clk, dir="-")
        m.submodules.clock_in = clock_in = io.Buffer("i", oscillator)
        m.domains.sync = sync = ClockDomain("sync")
        if not board.pll:
            m.d.comb += sync.clk.eq(clock_in.i)
            count = Signal(range(RESET_CYCLES))
            restart = Signal()
            m.domains.por = por = ClockDomain("por", reset_less=True)
            m.submodules.restart = FFSynchronizer(pressed, restart, o_domain="por")
            m.d.comb += [por.clk.eq(clock_in.i), sync.rst.eq(~count.all())]
            with m.If(restart):
                m.d.por += count.eq(0)
            with m.Elif(~count.all()):
                m.d.por += count.eq(count + 1)
            platform.add_clock_constraint(sync.clk, board.clock_mhz * 1e6)
            return
        locked, feedback = Signal(), Signal()
        m.domains.chip = chip = ClockDomain("chip", reset_less=True)
        divide, phase = board.pll["CLKOP_DIV"], board.chip_phase
        m.submodules.pll = BlackBox(
            "EHXPLLL", a_FREQUENCY_PIN_CLKI=f"{platform.default_clk_frequency / 1e6:g}",
            a_ICP_CURRENT="12", a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1", a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED", p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB",
            p_CLKI_DIV=board.pll["CLKI_DIV"], p_CLKFB_DIV=board.pll["CLKFB_DIV"],
            p_CLKOP_ENABLE="ENABLED", p_CLKOP_DIV=divide, p_CLKOP_CPHASE=divide - 1,
            p_CLKOP_FPHASE=0,
            p_CLKOS_ENABLE="ENABLED", p_CLKOS_DIV=divide,
            p_CLKOS_CPHASE=divide - 1 + phase // 8, p_CLKOS_FPHASE=phase % 8,
            p_FEEDBK_PATH="CLKOP",
            i_CLKI=clock_in.i, i_CLKFB=feedback, o_CLKOP=sync.clk, o_CLKOS=chip.clk,
            i_RST=0, i_STDBY=0, i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=1, i_PHASESTEP=1,
            i_PHASELOADREG=1, i_PLLWAKESYNC=0, i_ENCLKOP=0, o_LOCK=locked)
        m.d.comb += feedback.eq(sync.clk)
        m.submodules.reset = ResetSynchronizer(~locked | pressed, domain="sync")
        platform.add_clock_constraint(sync.clk, board.clock_mhz * 1e6)

    def _sdram(self, m, platform, pins):
        """The chip's pins. Commands, addresses, written data and what turns its drivers on leave
        registers at the pads; what is read goes to registers in the fabric, where its way makes
        up for the chip's short hold (`boards.gateware.margins`)."""
        chip = platform.request("sdram", 0, dir=dict.fromkeys(
            ("clk", "clk_en", "cs", "we", "cas", "ras", "dqm", "ba", "a", "dq"), "-"))
        m.submodules.chip_clk = clock = io.DDRBuffer("o", chip.clk, o_domain="chip")
        m.d.comb += [clock.o[0].eq(1), clock.o[1].eq(0)]

        def output(name, port, value):
            m.submodules[f"chip_{name}"] = buffer = io.Buffer("o", port)
            m.d.comb += buffer.o.eq(value)

        # The platform's pins are active-low where the chip's are: ours are as on the chip.
        output("cs", chip.cs, 1)
        output("clk_en", chip.clk_en, 1)
        for name in ("ras", "cas", "we"):
            output(name, getattr(chip, name), ~getattr(pins, f"{name}_n"))
        output("ba", chip.ba, pins.ba)
        output("a", chip.a, pins.a)
        output("dqm", chip.dqm, pins.dqm)
        captured = Signal(len(pins.dq_i), reset_less=True)
        m.d.comb += pins.dq_i.eq(captured)
        for k in range(len(captured)):
            m.submodules[f"chip_dq_{k}"] = dq = io.Buffer("io", chip.dq[k])
            off = Signal()
            # A register for each pad, which synthesis would make one of if it knew what they are.
            m.submodules[f"chip_dq_off_{k}"] = BlackBox(
                "TRELLIS_FF", a_syn_useioff=1, a_ioff_dir="output", p_GSR="DISABLED", p_CEMUX="1",
                p_CLKMUX="CLK", p_LSRMUX="LSR", p_SRMODE="LSR_OVER_CE", p_REGSET="SET",
                i_CLK=ClockSignal(), i_LSR=ResetSignal(), i_DI=~pins.dq_oe_next, o_Q=off)
            m.d.sync += captured[k].eq(dq.i)
            m.d.comb += [dq.o.eq(pins.dq_o[k]), dq.oe.eq(~off)]


def check_platform(board: Board) -> None:
    """Raise ToolMissingError where a board's platform is not installed."""
    module, package = PLATFORMS
    if board.platform and importlib.util.find_spec(module) is None:
        raise ToolMissingError(f"{package}, which knows the pins of the {board.title}, is missing: "
                               f"pip install {package}")


def make_platform(board: Board):
    """The amaranth-boards platform of a board, with what it lacks."""
    module, name = board.platform.split(":")
    platform = getattr(importlib.import_module(module), name)()
    if board.link_pins:
        connector, rx, tx = board.link_pins
        platform.add_resources([Resource(
            _LINK, 0, Subsignal("rx", Pins(rx, dir="i", conn=(connector, 0))),
            Subsignal("tx", Pins(tx, dir="o", conn=(connector, 0))), Attrs(IO_TYPE="LVCMOS33"))])
    platform.add_resources([
        Resource(_HELD, k, Pins(pin, dir="o"), Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP", DRIVE="4"))
        for k, pin in enumerate(board.held_high.values())])
    return platform


def gowin_constraints(board: Board) -> str:
    """The pins of `GOWIN_TOP`; a button must read 0 while nobody presses it."""
    return "".join(f'IO_LOC "{name}" {pin};\nIO_PORT "{name}" IO_TYPE=LVCMOS33'
                   f'{" PULL_MODE=DOWN" if name == "button" else ""};\n'
                   for name, pin in board.pins.items())
