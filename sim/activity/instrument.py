"""Verilog that tells which flip-flops are enabled and which memories are read and written."""

import re
from dataclasses import dataclass, field

__all__ = ["FLAG", "Module", "instrument"]

#: What the added registers' names begin with.
FLAG = "partita_en_"
_MODULE = re.compile(r"^module (\S+?) ?\((.*?)^endmodule", re.MULTILINE | re.DOTALL)
_PROCESS = re.compile(r"^  always @\(posedge clk\) begin\n(.*?)^  end\n", re.MULTILINE | re.DOTALL)
#: Indentation and label, statement, target.
_ASSIGNMENT = re.compile(r"^( +(?:\S+: )?)((\\\S+ |\w+) ?(?:\[.*?\] ?)*<= .*;)$")
_MEMORY = re.compile(r"^  reg (?:\[(\d+):0\] )?(\\\S+ |\w+) ?\[(\d+):0\];", re.MULTILINE)
_READ = re.compile(r"<= (\\\S+ |\w+) ?\[")
_LANE = re.compile(r"\]\[(\d+)(?::(\d+))?\] <= ")
_STATEMENT = re.compile(r"^ +(?:if |casez? |(?:\\\S+|\w+) ?(?:\[.*?\] ?)*<= )")
_RESET = re.compile(r"^    if \((?:rst|clear)\) ")
_TOP_LEVEL = "    "


@dataclass(frozen=True)
class MemoryProbe:
    """A memory: its shape, and a flag for each port lane: `writes` (flag, bits), `reads` flags;
    a flag of "" stands for every cycle."""

    name: str
    bits: int
    depth: int
    writes: list[tuple[str, int]] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Module:
    """Registers' flags by name, alike for those with the same condition, and memories."""

    flags: dict[str, str]
    memories: dict[str, MemoryProbe]


def _plain(name: str) -> str:
    return name.strip().removeprefix("\\")


def _flipping(assignment: re.Match, flag: str, operator: str = "=") -> str:
    """The assignment, and the flag's flip."""
    return (f"{assignment[1]}begin\n      {assignment[2]}\n      {flag} {operator} ~{flag};\n"
            "      end")


def _writes_again(lines: list[str]) -> bool:
    """Whether two assignments of a process may be reached in one cycle, because statements follow
    each other in one block. Its resets at the end do not count."""
    statements: dict[int, int] = {}  # indentation of the blocks that are open -> how many
    for line in lines:
        if _RESET.match(line):
            break
        depth = len(line) - len(line.lstrip())
        statements = {d: n for d, n in statements.items() if d <= depth}
        if _STATEMENT.match(line):
            statements[depth] = statements.get(depth, 0) + 1
            if statements[depth] > 1:
                return True
    return False


class _Instrumenter:
    """One module's processes."""

    def __init__(self, body: str):
        self.flags: dict[str, str] = {}
        self.shared: dict[str, str] = {}  # condition -> flag
        self.memories = {_plain(m[2]): MemoryProbe(_plain(m[2]), int(m[1] or 0) + 1,
                                                   int(m[3]) + 1) for m in _MEMORY.finditer(body)}
        self.count = 0
        self.text = _PROCESS.sub(self._process, body)

    def _flag(self) -> str:
        self.count += 1
        return f"{FLAG}{self.count - 1}"

    def _process(self, match: re.Match) -> str:
        lines = match[1].splitlines()
        found = [(k, a) for k, x in enumerate(lines) if (a := _ASSIGNMENT.match(x))]
        targets = {_plain(a[3]) for _, a in found}
        if len(targets) != 1:
            return match[0]
        target = targets.pop()
        fresh: list[str] = []
        if target in self.memories:
            for k, a in found:
                lane = _LANE.search(a[2])
                bits = self.memories[target].bits if lane is None else \
                    int(lane[1]) - int(lane[2] or lane[1]) + 1
                if a[1] == _TOP_LEVEL:
                    self.memories[target].writes.append(("", bits))
                    continue
                flag = self._flag()
                fresh.append(flag)
                self.memories[target].writes.append((flag, bits))
                lines[k] = _flipping(a, flag)
        else:
            source = _READ.search(found[0][1][2])
            memory = self.memories.get(_plain(source[1])) if source else None
            flag = ""
            if all(a[1] != _TOP_LEVEL for _, a in found):
                written = {k for k, _ in found}
                condition = "\n".join("write" if k in written else x
                                      for k, x in enumerate(lines))
                flag = self.shared.get(condition, "")
                if not flag:  # the first register with this condition carries the flag
                    flag = self.shared[condition] = self._flag()
                    fresh.append(flag)
                    # Without a delay it is faster, and right where it happens once in a cycle.
                    operator = "<=" if _writes_again(lines) else "="
                    for k, a in found:
                        lines[k] = _flipping(a, flag, operator)
            if memory is not None:
                memory.reads.append(flag)
            elif flag:
                self.flags[target] = flag
        declared = "".join(f"  reg {f} = 1'h0;\n" for f in fresh)
        return declared + "  always @(posedge clk) begin\n" + "\n".join(lines) + "\n  end\n"


def instrument(verilog: str) -> tuple[str, dict[str, Module]]:
    """Add enable flags to generated Verilog.

    Returns
    -------
    (text, modules)
        `modules` tells for each which flag belongs to which register and memory.
    """
    modules: dict[str, Module] = {}

    def module(match: re.Match) -> str:
        done = _Instrumenter(match[0])
        modules[_plain(match[1])] = Module(done.flags, done.memories)
        return done.text

    return _MODULE.sub(module, verilog), modules
