"""The part of the harness that depends on the configuration: ports and flip-flop tables."""

import re

from hw.config import Config
from hw.gateware.blocks import BLOCKS
from hw.gateware.signatures.ports import READERS, port_request
from sim.activity.instrument import FLAG

from .flipflops import FlipFlop
from .parts import Parts
from .shown import shown_function

__all__ = ["glue_header"]

#: A core's input that rises in each cycle in which it sleeps.
_SLEPT = "control__slept"
#: Direction, bits, C++ name.
_Port = tuple[str, int, str]
_PORT = re.compile(r"VL_(IN|OUT)(8|16|64|W)?\(&(\w+),(\d+),0(?:,\d+)?\);")


def _ports(header: str) -> dict[str, _Port]:
    """Plain port name -> (direction, bits, C++ name)."""
    return {m[3].replace("__05F", "_"): (m[1], int(m[4]) + 1, m[3])
            for m in _PORT.finditer(header)}


def _table(name: str, flip_flops: list[tuple[FlipFlop, str]], root: str) -> str:
    rows = ",\n".join(f"    {{offsetof({root}, {member}), {f.bits}, "
                      f"{'true' if FLAG in f.name else 'false'}}}" for f, member in flip_flops)
    return (f"static const FlipFlop k{name}FlipFlops[] = {{\n{rows}\n}};\n"
            f"static const size_t k{name}FlipFlopCount = {len(flip_flops)};\n")


def _advances(config: Config, core: list[tuple[FlipFlop, str]]) -> str:
    """Of each flip-flop of a core, which unit's it is; and how to see which units have advanced."""
    names = () if config.core == "microcoded" else BLOCKS
    units = {name: k for k, name in enumerate(names)}
    owners = ", ".join(str(units.get(f.path[0], 255)) for f, _ in core)
    bits = next(f"c.{member}" for f, member in core if f.path == ("advanced",)) \
        if names else "0"
    return (f"static constexpr unsigned kUnits = {len(names)};\n"
            f"static const uint8_t kUnitOf[] = {{{owners}}};\n"
            f"inline uint32_t advanced([[maybe_unused]] CoreState &c) {{ return {bits}; }}")


def _switch(argument: str, cases: list[str]) -> str:
    body = "\n".join(f"    case {k}:\n{text}\n        break;" for k, text in enumerate(cases))
    return f"    switch ({argument}) {{\n{body}\n    }}"


def _spared(core: dict[str, _Port]) -> str:
    """What a core's dead input blocks spare, and of which layer."""
    if "control__spared" not in core:
        return "static constexpr bool kSpares = false;\n" \
               "inline uint32_t spared(CoreState &) { return 0; }\n" \
               "inline uint32_t spared_layer(CoreState &) { return 0; }"
    return "static constexpr bool kSpares = true;\n" + "\n".join(
        f"inline uint32_t {name}(CoreState &c) {{ return c.{core['control__' + name][2]}; }}"
        for name in ("spared", "spared_layer"))


def _crossings(config: Config, core: dict[str, _Port], shell: dict[str, _Port],
               ) -> tuple[list[str], list[str], list[str], list[str]]:
    """Of each instance: the shell's outputs to its core, the core's to the shell, whether the core
    has what the shell puts out, but for how long it has slept, and whether the shell has what the
    core does."""
    links = [(name, direction) for name, (direction, _, _) in core.items()
             if name not in ("clk", "rst")]

    def far(name: str, i: int) -> str:
        group, _, rest = name.partition("__")
        return shell[f"{group}__{i}__{rest}"][2]

    def alike(i: int, direction: str) -> str:
        return "        return " + "\n            && ".join(
            f"!memcmp(&s.{far(n, i)}, &c.{core[n][2]}, sizeof c.{core[n][2]})"
            for n, d in links if d == direction and n != _SLEPT) + ";"

    to_core, to_shell, hears, agree = [], [], [], []
    for i in range(config.instances):
        to_core.append("\n".join(f"        c.{core[n][2]} = s.{far(n, i)};"
                                 for n, d in links if d == "IN"))
        to_shell.append("\n".join(f"        s.{far(n, i)} = c.{core[n][2]};"
                                  for n, d in links if d == "OUT"))
        hears.append(alike(i, "IN"))
        agree.append(alike(i, "OUT"))
    return to_core, to_shell, hears, agree


def _memory_ports(config: Config, shell: dict[str, _Port]) -> tuple[list[str], list[str]]:
    """Of each memory port: what its device puts in, and what it takes out."""
    drive, sample = [], []
    for p in range(config.ports):
        def axi(name: str, p: int = p) -> str:
            return "s." + shell[f"m_axi__{p}__{name}"][2]

        beat = config.port.bytes
        if beat <= 8:
            data = f"        if (d.rdata) memcpy(&{axi('rdata')}, d.rdata, {beat});"
        else:
            data = f"        if (d.rdata) memcpy({axi('rdata')}.data(), d.rdata, {beat});"
        drive.append("\n".join([
            *(f"        {axi(n)} = d.{n};" for n in
              ("arready", "awready", "wready", "bvalid", "rvalid", "rlast", "rresp", "bresp")),
            data]))
        pointer = f"&{axi('wdata')}" if beat <= 8 else f"{axi('wdata')}.data()"
        sample.append("\n".join([
            *(f"        d.{c} = {{bool({axi(c + 'valid')}), {axi(c + 'addr')}, "
              f"{axi(c + 'len')}, {axi(c + 'user')}, {axi(c + 'id')}, {axi(c + 'size')}, "
              f"{axi(c + 'burst')}}};" for c in ("ar", "aw")),
            *(f"        d.{n} = {axi(n)};" for n in ("wvalid", "wlast", "bready", "rready")),
            f"        if (d.wvalid) memcpy(d.wdata, {pointer}, {beat});",
            f"        d.wstrb = {axi('wstrb')};"]))
    return drive, sample


def _own_ports(config: Config, shell: dict[str, _Port]) -> str:
    """Where the shell has the signals of each instance's own port."""
    streams = [*(f"rd_{c.name.lower()}" for c in READERS), "wr"]
    beats = port_request(config)["beats"]

    def at(i: int, name: str) -> str:
        return f"offsetof(ShellState, {shell[f'memory__{i}__{name}'][2]})"

    def stream(i: int, name: str) -> str:
        return "{" + ", ".join(at(i, f"{name}__{part}") for part in (
            "valid", "ready", "payload")) + "}"

    ports = ",\n".join(
        f"    {{{{{', '.join(stream(i, name) for name in streams)}}},\n"
        f"     {', '.join(at(i, n) for n in ('ret_valid', 'ret_channel', 'wr_ret_valid', 'alive'))}"
        f",\n     {stream(i, 'wr_data')}}}" for i in range(config.instances))
    # a microcoded core may be told later that its burst of one beat was taken
    held = "{1, 1}" if config.core == "microcoded" else "{0, 2}"
    return f"""static constexpr OwnPortMap<{config.instances}> kOwnPorts = {{
    {config.port.bytes}, {beats.offset}, {beats.width}, {held}, {{
{ports}}}}};"""


def glue_header(config: Config, headers: dict[str, str],
                tables: dict[str, list[tuple[FlipFlop, str]]], parts: dict[str, Parts]) -> str:
    """C++ text that joins cores, shell and memory ports.

    Parameters
    ----------
    config : Config
    headers : Verilator's class headers of "core" and "shell"
    tables : flip-flops of each with their class members
    parts : of each, the functions in which it evaluates itself
    """
    core, shell = _ports(headers["core"]), _ports(headers["shell"])
    to_core, to_shell, hears, agree = _crossings(config, core, shell)
    drive, sample = _memory_ports(config, shell)
    return f"""// Generated for {config.instances} instances; see glue.py.
{parts["core"].header("Core")}
{parts["shell"].header("Shell")}
namespace partita {{

using CoreState = Vcore___024root;
using ShellState = Vshell___024root;
static const int kCores = {config.instances}, kPorts = {config.ports};
static const unsigned kBeatBytes = {config.port.bytes};

{_table("Core", tables["core"], "CoreState")}
{_table("Shell", tables["shell"], "ShellState")}
{_advances(config, tables["core"])}
inline void shell_to_core(int i, ShellState &s, CoreState &c) {{
{_switch("i", to_core)}
}}
inline void core_to_shell(int i, ShellState &s, CoreState &c) {{
{_switch("i", to_shell)}
}}
inline bool core_hears(int i, ShellState &s, CoreState &c) {{
{_switch("i", hears)}
    return true;
}}
inline bool core_agrees(int i, ShellState &s, CoreState &c) {{
{_switch("i", agree)}
    return true;
}}
inline bool is_dozing(CoreState &c) {{ return c.{core["control__dozing"][2]}; }}
inline void stay_awake(CoreState &c) {{ c.{core["control__wake"][2]} = 1; }}
inline uint32_t mark_layer(CoreState &c) {{ return c.{core["control__mark_layer"][2]}; }}
{_spared(core)}
{shown_function(config, {name: port[2] for name, port in core.items()})}
{_own_ports(config, shell)}
inline void port_drive(int p, ShellState &s, const AxiToDevice &d) {{
{_switch("p", drive)}
}}
inline void port_sample(int p, ShellState &s, AxiFromDevice &d) {{
{_switch("p", sample)}
}}

}}  // namespace partita
"""
