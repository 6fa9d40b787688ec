"""Finds every flip-flop of generated Verilog, and where Verilator keeps it."""

import re
from dataclasses import dataclass

__all__ = ["FlipFlop", "UnmappedError", "keep_registers", "list_flip_flops", "map_members",
           "walk_modules"]

_MODULE = re.compile(r"^module (\S+?) ?\((.*?)^endmodule", re.MULTILINE | re.DOTALL)
_REG = re.compile(r"^  (?:output )?reg (?:\[(\d+):0\] )?(\\\S+ |\w+)", re.MULTILINE)
_MEMORY = re.compile(r"^  reg (?:\[\d+:0\] )?(\\\S+ |\w+) ?\[\d+:0\];", re.MULTILINE)
_CLOCKED = re.compile(r"^  always @\(posedge clk\)(.*?)(?=^  \w|^endmodule)",
                      re.MULTILINE | re.DOTALL)
_TARGET = re.compile(r"^ +(?:\S+: )?(\\\S+ |\w+) ?(?:\[[^\]]*\] ?)?<?= ", re.MULTILINE)
_INSTANCE = re.compile(r"^  (\\\S+ |\w+) (\\\S+ |\w+) \(\n", re.MULTILINE)
_READ_REGISTER = re.compile(r"^_\d+_$")
_DECLARED = re.compile(r"^(  reg (?:\[\d+:0\] )?(\\\S+ |\w+))( =|;)", re.MULTILINE)
_MEMBER = re.compile(r"^ *(?:VL_OUT\w*\(&?|[CSIQ]Data/\*[\d:]+\*/ |VlWide<\d+>/\*[\d:]+\*/ )"
                     r"(\w+)[,;]", re.MULTILINE)


class UnmappedError(RuntimeError):
    """A flip-flop that the toggle counters cannot see."""

    exit_code = 1


@dataclass(frozen=True)
class FlipFlop:
    """One register: hierarchical `path` below the module, and its width in bits."""

    path: tuple[str, ...]
    bits: int

    @property
    def name(self) -> str:
        return ".".join(self.path)


def _plain(name: str) -> str:
    return name.strip().removeprefix("\\")


def list_flip_flops(verilog: str, top: str) -> list[FlipFlop]:
    """List the registers of a module and of everything in it.

    Memories are left out, and so are their read registers, which are part of a block RAM.
    """
    return [f for _, _, found in walk_modules(verilog, top) for f in found]


def _registers(body: str) -> dict[str, int]:
    """Name -> bits of each flip-flop of one module."""
    widths = {_plain(r[2]): int(r[1] or 0) + 1 for r in _REG.finditer(body)}
    memories = {_plain(r[1]) for r in _MEMORY.finditer(body)}
    found = {}
    for block in _CLOCKED.finditer(body):
        for target in _TARGET.finditer(block[1]):
            name = _plain(target[1])
            if name not in memories and not _READ_REGISTER.match(name):
                found[name] = widths[name]
    return found


def walk_modules(verilog: str, top: str) -> list[tuple[str, tuple[str, ...], list[FlipFlop]]]:
    """List (module, path, its own registers) of a module and of everything in it, parents
    before children."""
    modules = {}
    for match in _MODULE.finditer(verilog):
        body = match[2]
        found = _registers(body)
        children = [(_plain(i[1]), _plain(i[2])) for i in _INSTANCE.finditer(body)]
        modules[_plain(match[1])] = (found, children)

    def walk(module: str, path: tuple[str, ...]) -> list:
        found, children = modules[module]
        result = [(module, path, [FlipFlop((*path, n), bits) for n, bits in found.items()])]
        for kind, name in children:
            result += walk(kind, (*path, name))
        return result

    return walk(top, ())


def keep_registers(verilog: str) -> str:
    """Ask Verilator to keep each flip-flop under its own name, readable but not writable.

    Not what combinational processes assign, though Verilog calls it `reg` too: Verilator
    optimises that away, and ran eight 8x8 instances 1.27 times faster.
    """
    def module(match: re.Match) -> str:
        found = _registers(match[2])
        return _DECLARED.sub(
            lambda d: f"{d[1]} /*verilator public_flat_rd*/{d[3]}"
            if _plain(d[2]) in found else d[0], match[0])

    return _MODULE.sub(module, verilog)


def map_members(flip_flops: list[FlipFlop], header: str, top: str) -> list[str]:
    """Return the class member of each flip-flop.

    Parameters
    ----------
    flip_flops : from `list_flip_flops`
    header : text of the Verilated root class
    top : module name

    Raises
    ------
    UnmappedError
        Naming the first flip-flops without a member.
    """
    members = {_plain_member(m[1]): m[1] for m in _MEMBER.finditer(header)}
    found, missing = [], []
    for f in flip_flops:
        member = members.get("__DOT__".join((top, *f.path)))
        if member is None:
            missing.append(f.name)
        found.append(member or "")
    if missing:
        raise UnmappedError(
            f"{len(missing)} flip-flops of {top} have no place in Verilator's state: "
            + ", ".join(missing[:20]))
    return found


def _plain_member(member: str) -> str:
    """A member's name with Verilator's escapes undone."""
    name = re.sub(r"__0([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), member)
    return name.removeprefix("__PVT__")
