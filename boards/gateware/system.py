"""Everything on the board but its pins: link, accelerator, memory."""

from amaranth.hdl import ClockSignal, Module, ResetSignal, Signal, Value
from amaranth.hdl import Instance as BlackBox
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards.protocol import BUILD_BYTES, IDENTITY_BYTES, PROTOCOL_VERSION
from hw.config import Config
from hw.gateware.convert import to_verilog
from hw.gateware.top import TOP_NAME, outer_members
from hw.gateware.verilog import generate, top_ports

from .link import Link
from .memory import AxiRam, AxiSwitch
from .sdram import SdramController, SdramPins
from .settings import SystemConfig

__all__ = ["BoardSystem", "board_verilog", "identity", "memory_verilog",
           "simulated_verilog"]


def identity(config: Config, build: bytes = bytes(BUILD_BYTES)) -> bytes:
    """What HELLO answers: see `boards.protocol.IDENTITY_BYTES`."""
    digest = bytes.fromhex(config.digest)[:IDENTITY_BYTES - 4 - BUILD_BYTES]
    return bytes([PROTOCOL_VERSION, 0, 0, 0]) + digest + build


def make_memory(system: SystemConfig) -> SdramController | AxiRam:
    """The memory of a system, as a component with `axi`, `running` and `ready`."""
    if system.sdram:
        return SdramController(system.config, system.sdram, system.clock_mhz,
                               powerup_us=system.powerup_us)
    return AxiRam(system.config, system.ram_bytes)


class BoardSystem(wiring.Component):
    """Link, accelerator and memory; the accelerator is the Verilog module `partita`.

    Parameters
    ----------
    system : SystemConfig
    watched : bool
        Show the accelerator's buses, which a simulation watches.

    Members
    -------
    rx, tx : UART
    sdram : `SdramPins`, where there is an SDRAM
    running, talking, memory_ready : for lights
    seen_instances : [instances] runs; `seen_` and a name, all of the memory port and of the
        control registers' bus, whichever side drives it; where watched
    """

    rx: Signal
    tx: Signal
    running: Signal
    talking: Signal
    memory_ready: Signal
    sdram: wiring.PureInterface

    def __init__(self, system: SystemConfig, *, watched: bool = False):
        self._system, self._watched = system, watched
        members = {"rx": In(1, init=1), "tx": Out(1, init=1), "running": Out(1),
                   "talking": Out(1), "memory_ready": Out(1)}
        if system.sdram:
            members["sdram"] = Out(SdramPins(system.sdram))
        if watched:
            members |= {f"seen_{name}": Out(len(value)) for name, value in self._seen(
                wiring.Signature(outer_members(system.config)).create()).items()}
        super().__init__(members)

    @staticmethod
    def _seen(outer: wiring.PureInterface) -> dict[str, Value]:
        """What is watched, by name."""
        names = {"instances": outer.running}
        for prefix, bus in (("", outer.m_axi[0]), ("axil_", outer.s_axil)):
            names |= {f"{prefix}{path[0]}": Value.cast(value)
                      for path, _, value in bus.signature.flatten(bus)}
        return names

    def elaborate(self, platform):
        m = Module()
        system, config = self._system, self._system.config
        m.submodules.link = link = Link(
            config, clocks_per_bit=system.clocks_per_bit, memory_bytes=system.memory_bytes,
            identity=identity(config, system.build))
        m.submodules.switch = switch = AxiSwitch(config)
        m.submodules.memory = memory = make_memory(system)
        if system.sdram:
            wiring.connect(m, memory.pins, wiring.flipped(self.sdram))
        outer = wiring.Signature(outer_members(config)).create()
        flows = {id(value): member.flow for _, member, value in
                 outer.signature.flatten(outer)}
        wires = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for name, (value, _) in top_ports(outer).items():
            wires[("o_" if flows[id(value)] == Out else "i_") + name] = value
        m.submodules.partita = BlackBox(TOP_NAME, **wires)
        wiring.connect(m, outer.m_axi[0], switch.first)
        wiring.connect(m, link.memory, switch.second)
        wiring.connect(m, switch.slave, memory.axi)
        wiring.connect(m, link.control, outer.s_axil)
        running = Signal()
        m.d.sync += running.eq(outer.running.any())
        m.d.comb += [memory.running.eq(outer.running.any()), link.rx.eq(self.rx),
                     self.tx.eq(link.tx), self.running.eq(running),
                     self.talking.eq(link.active), self.memory_ready.eq(memory.ready)]
        if self._watched:
            m.d.comb += [getattr(self, f"seen_{name}").eq(value)
                         for name, value in self._seen(outer).items()]
        return m


def memory_verilog(system: SystemConfig) -> dict[str, str]:
    """Verilog of a system's memory alone, the module `memory`, by its name: ports `axi_*`,
    `running`, `ready`, and the SDRAM's pins as `pins_*`."""
    memory = make_memory(system)
    return {"memory": to_verilog(memory, "memory", ports=top_ports(memory))}


def board_verilog(system: SystemConfig, *, watched: bool = False) -> dict[str, str]:
    """Verilog of the module `board`, by its name; it instantiates `partita`."""
    return {"board": to_verilog(BoardSystem(system, watched=watched), "board")}


def simulated_verilog(system: SystemConfig) -> dict[str, str]:
    """Verilog of a whole board for a simulation that watches it, the top last. Its cores have clock
    gates, which an FPGA's have not: one that waits would stay as it is, and takes no time."""
    return {**generate(system.config, clock_gates=True), **board_verilog(system, watched=True)}
