"""The whole accelerator: N cores around a shell of memory fabric, barriers and registers."""

from amaranth.hdl import Cat, ClockSignal, Const, Module, ResetSignal, Signal
from amaranth.hdl import Instance as BlackBox
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config
from hw.gateware.micro.core import MicroInstance
from hw.gateware.shell.barrier import Barrier
from hw.gateware.shell.fabric import Fabric
from hw.gateware.shell.registers import Control
from hw.gateware.signatures.axi import AxiLiteSlave, AxiMaster
from hw.gateware.signatures.ports import READERS, ControlPort, Core, MemoryPort

from .instance import Instance

__all__ = ["CORE_NAME", "GATE_NAME", "SHELL_NAME", "TOP_NAME", "Shell", "Top", "make_core",
           "outer_members"]

#: Module names in the Verilog.
CORE_NAME, SHELL_NAME, TOP_NAME, GATE_NAME = "core", "shell", "partita", "clock_gate"


def make_core(config: Config) -> Core:
    """An instance, of the kind that a configuration asks for."""
    return (MicroInstance if config.core == "microcoded" else Instance)(config)


def outer_members(config: Config) -> dict:
    """Members that both the shell and the whole accelerator show to the outside.

    `s_axil` control registers; `m_axi` array of memory ports; `irq`, every instance that was
    started has ended; `running` [instances]; `mark_valid` [instances] and `mark_layer`, 11 bits
    for each, a layer has ended there.
    """
    return {
        "s_axil": Out(AxiLiteSlave()), "m_axi": Out(AxiMaster(config)).array(config.ports),
        "irq": Out(1), "running": Out(config.instances),
        "mark_valid": Out(config.instances), "mark_layer": Out(11 * config.instances),
    }


def shell_members(config: Config) -> dict:
    """Members of the shell: those of `outer_members`, arrays of the cores' ports, and `clocks`,
    a bit for each core that needs its clock in this cycle."""
    return {
        **outer_members(config), "clocks": Out(config.instances),
        "memory": In(MemoryPort(config)).array(config.instances),
        "control": In(ControlPort(config)).array(config.instances),
    }


class Shell(wiring.Component):
    """Everything but the cores; its members are those of `shell_members`."""

    s_axil: wiring.PureInterface
    m_axi: list[wiring.PureInterface]
    irq: Signal
    running: Signal
    mark_valid: Signal
    mark_layer: Signal
    clocks: Signal
    memory: list[wiring.PureInterface]
    control: list[wiring.PureInterface]

    def __init__(self, config: Config):
        self._config = config
        super().__init__(shell_members(config))

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.control = control = Control(config)
        m.submodules.barrier = barrier = Barrier(config.instances)
        wiring.connect(m, wiring.flipped(self.s_axil), control.bus)
        groups = ([[i] for i in range(config.instances)] if config.port.memory == "private"
                  else [list(range(config.instances))])
        for p, ids in enumerate(groups):
            m.submodules[f"fabric_{p}"] = fabric = Fabric(config, ids)
            wiring.connect(m, wiring.flipped(self.m_axi[p]), fabric.axi)
            for slot, i in enumerate(ids):
                port = fabric.instances[slot]
                for path, member, value in MemoryPort(config).flatten(port):
                    mine = _reach(self.memory[i], path)
                    if path[-1] == "release":
                        m.d.comb += mine.eq(barrier.release[i])
                    elif member.flow == Out:
                        m.d.comb += value.eq(mine)
                    else:
                        m.d.comb += mine.eq(value)
                m.d.comb += [barrier.arrive[i].eq(port.arrive), barrier.masks[i].eq(port.mask),
                             barrier.alive[i].eq(port.alive)]
        ports = control.instances
        for i, memory in enumerate(self.memory):
            wiring.connect(m, wiring.flipped(self.control[i]), ports[i])
            requests = (*(getattr(memory, f"rd_{c.name.lower()}") for c in READERS), memory.wr,
                        memory.wr_data)
            m.d.comb += control.events[i].eq(
                Cat(*(r.valid & r.ready for r in requests), memory.ret_valid,
                    memory.wr_ret_valid, memory.release).any())
        m.d.comb += [
            self.irq.eq(control.irq), self.running.eq(Cat(p.running for p in ports)),
            self.mark_valid.eq(Cat(p.mark_valid for p in ports)),
            self.mark_layer.eq(Cat(p.mark_layer for p in ports)),
            self.clocks.eq(control.clocks),
        ]
        return m


class Top(wiring.Component):
    """The shell and N identical cores.

    Parameters
    ----------
    config : Config
    verilog : bool
        Instantiate shell and core as Verilog modules that are converted once each, instead of
        elaborating them here (which a simulation in Amaranth needs).
    clock_gates : bool
        With `verilog`, give each core its clock through a module `GATE_NAME`, open while the shell
        says so. Without, and without `verilog`, a core that is not active or asleep idles.
    """

    s_axil: wiring.PureInterface
    m_axi: list[wiring.PureInterface]
    irq: Signal
    running: Signal
    mark_valid: Signal
    mark_layer: Signal

    def __init__(self, config: Config, *, verilog: bool = False, clock_gates: bool = False):
        self._config = config
        self._verilog = verilog
        self._clock_gates = clock_gates
        super().__init__(outer_members(config))

    def elaborate(self, platform):
        m = Module()
        config = self._config
        if not self._verilog:
            m.submodules.shell = shell = Shell(config)
            _join_outer(m, self, shell)
            for i in range(config.instances):
                m.submodules[f"core_{i}"] = core = make_core(config)
                wiring.connect(m, core.memory, shell.memory[i])
                wiring.connect(m, core.control, shell.control[i])
            return m
        shell = wiring.Signature(shell_members(config)).create()
        clock = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        outer = set(outer_members(config))
        wires = dict(clock)
        cores = [dict(clock) for _ in range(config.instances)]
        for path, member, value in shell.signature.flatten(shell):
            name = "__".join(str(p) for p in path)
            direction = "o_" if member.flow == Out else "i_"
            if path[0] in outer:
                wires[direction + name] = _reach(self, path)
            elif path[0] == "clocks":
                wires[direction + name] = value
            else:
                wires[direction + name] = value
                other = "i_" if direction == "o_" else "o_"
                cores[path[1]][other + "__".join(str(p) for p in (path[0], *path[2:]))] = value
        m.submodules.shell = BlackBox(SHELL_NAME, **wires)
        for i, pins in enumerate(cores):
            if self._clock_gates:
                pins["i_clk"] = Signal(name=f"clk_{i}")
                # Reset reaches a core that is not active, too.
                m.submodules[f"gate_{i}"] = BlackBox(
                    GATE_NAME, i_clk=ClockSignal(), i_enable=shell.clocks[i] | ResetSignal(),
                    o_gated=pins["i_clk"])
            else:
                pins["i_control__wake"] = Const(1)  # nobody ever dozes
            m.submodules[f"core_{i}"] = BlackBox(CORE_NAME, **pins)
        return m


def _reach(component, path):
    """The value at a path of attribute names and indices."""
    for part in path:
        component = component[part] if isinstance(part, int) else getattr(component, part)
    return component


def _join_outer(m, top, shell):
    """Drive the top's outer members from the shell's and the other way round."""
    outer = outer_members(top._config)
    for path, member, value in shell.signature.flatten(shell):
        if path[0] in outer:
            mine = _reach(top, path)
            m.d.comb += mine.eq(value) if member.flow == Out else value.eq(mine)
