"""What a run did, counted in RTL: toggles and clocked cycles of registers, accesses of memories.

A register that is written under a condition is clocked only in cycles in which the condition
holds: in silicon its enable gates its clock, and registers with the same condition share the gate,
whose own pin is clocked always. To count those cycles, and the accesses of each
memory port, `instrument` adds to each such process a one-bit register that flips whenever the
process writes. The toggle counters then count it like any other bit.
"""

import json
import re
from dataclasses import dataclass, field

import numpy as np

__all__ = ["FLAG", "ActivityMap", "BlockActivity", "MemoryActivity", "UnitActivity", "instrument"]

#: Fewer bits than this under one condition are clocked in every cycle: a gate would cost more than
#: it saves.
GATED_BITS = 4

#: What the added registers' names begin with.
FLAG = "partita_en_"

_MODULE = re.compile(r"^module (\S+?) ?\((.*?)^endmodule", re.MULTILINE | re.DOTALL)
_PROCESS = re.compile(r"^  always @\(posedge clk\) begin\n(.*?)^  end\n", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"^( +(?:\S+: )?)((?:\\\S+ |\w+) ?(?:\[.*?\] ?)*<= .*;)$")
_TARGET = re.compile(r"^(\\\S+ |\w+)")
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
class _Module:
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
        targets = {_plain(_TARGET.match(a[2])[1]) for _, a in found}  # type: ignore[index]
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


def instrument(verilog: str) -> tuple[str, dict[str, _Module]]:
    """Add enable flags to generated Verilog.

    Returns
    -------
    (text, modules)
        `modules` tells for each which flag belongs to which register and memory.
    """
    modules: dict[str, _Module] = {}

    def module(match: re.Match) -> str:
        done = _Instrumenter(match[0])
        modules[_plain(match[1])] = _Module(done.flags, done.memories)
        return done.text

    return _MODULE.sub(module, verilog), modules


@dataclass(frozen=True)
class MemoryActivity:
    """Accesses of memories of one shape in a block: `count` of them, `reads` and `writes` summed
    over them (a write of some lanes counts in part), and cycles without either."""

    name: str
    bits: int
    depth: int
    count: int
    reads: float
    writes: float
    idle: float


@dataclass(frozen=True)
class BlockActivity:
    """Registers of a block: `bits` of them, `toggles`, and `clocked`, the sum over bits of the
    cycles in which they were clocked."""

    name: str
    bits: int
    toggles: int
    clocked: int


@dataclass(frozen=True)
class UnitActivity:
    """An instance (or the shell) in a layer. `gate_cycles` are clock gates times cycles;
    `multiplier_toggles` are those of the products' registers, which are counted among the toggles
    of the array as well."""

    cycles: int
    blocks: tuple[BlockActivity, ...]
    memories: tuple[MemoryActivity, ...]
    gate_cycles: int
    multiplier_toggles: int

    @property
    def toggles(self) -> int:
        return sum(b.toggles for b in self.blocks)

    @property
    def accumulator_toggles(self) -> int:
        """Those of the accumulators' registers, which are among `toggles`."""
        return sum(b.toggles for b in self.blocks if b.name == "accumulator")

    @property
    def clocked(self) -> int:
        return sum(b.clocked for b in self.blocks)

    @property
    def bits(self) -> int:
        return sum(b.bits for b in self.blocks)


@dataclass(frozen=True, eq=False)
class ActivityMap:
    """What each counted bit of a unit means.

    Members
    -------
    counted : (path, bits) of every register and flag, in the order of the counts
    registers : (path, first bit, bits, position of its flag or -1)
    memories : (path, bits, depth, writes [(position or -1, lane bits)], reads [position or -1])
    gates : number of clock gates
    """

    counted: tuple[tuple[str, int], ...]
    registers: tuple[tuple[str, int, int, int], ...]
    memories: tuple[tuple[str, int, int, list[tuple[int, int]], list[int]], ...]
    gates: int

    @classmethod
    def build(cls, flip_flops: list, modules: dict[str, _Module],
              places: list[tuple[str, tuple[str, ...]]], more_gates: int = 0) -> "ActivityMap":
        """Join flip-flops in the order of their counts with flags.

        Parameters
        ----------
        flip_flops : list of `FlipFlop`, of the instrumented text
        modules : from `instrument`
        places : (module, path) of every instance of a module
        more_gates : of others' clocks
        """
        position, at = {}, 0
        for f in flip_flops:
            position[f.path] = at, f.bits
            at += f.bits
        registers, memories, flag_names, gates = [], [], set(), more_gates
        for name, path in places:
            module = modules[name]
            widths: dict[str, int] = {}
            for target, flag in module.flags.items():
                widths[flag] = widths.get(flag, 0) + position[*path, target][1]
            gates += sum(w >= GATED_BITS for w in widths.values())
            for target, flag in module.flags.items():
                flag_names.add((*path, flag))
                first, bits = position[*path, target]
                gated = widths[flag] >= GATED_BITS
                registers.append((".".join((*path, target)), first, bits,
                                  position[*path, flag][0] if gated else -1))
            for memory in module.memories.values():
                def where(flag: str, path: tuple[str, ...] = path) -> int:
                    flag_names.add((*path, flag))
                    return position[*path, flag][0] if flag else -1

                memories.append((".".join((*path, memory.name)), memory.bits, memory.depth,
                                 [(where(f), b) for f, b in memory.writes],
                                 [where(f) for f in memory.reads]))
        known = {r[0] for r in registers}
        for f in flip_flops:
            if f.path not in flag_names and f.name not in known:
                registers.append((f.name, *position[f.path], -1))
        return cls(tuple((f.name, f.bits) for f in flip_flops), tuple(registers),
                   tuple(memories), gates)

    def to_json(self) -> dict:
        return {"counted": self.counted, "registers": self.registers,
                "memories": self.memories, "gates": self.gates}

    @classmethod
    def from_json(cls, data: dict) -> "ActivityMap":
        def rows(key: str) -> tuple:
            return tuple(tuple(x) for x in data[key])

        return cls(rows("counted"), rows("registers"), rows("memories"), int(data["gates"]))

    def bits(self) -> int:
        """Real flip-flops, without flags."""
        return sum(r[2] for r in self.registers)

    def read(self, counts: np.ndarray, cycles: int) -> UnitActivity:
        """Turn counted bits into activity.

        Parameters
        ----------
        counts : toggles of every counted bit
        cycles : in which they were counted
        """
        sums = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        blocks: dict[str, list[int]] = {}
        products = 0
        for path, first, bits, flag in self.registers:
            toggles = int(sums[first + bits] - sums[first])
            enabled = cycles if flag < 0 else int(counts[flag])
            block = blocks.setdefault(block_of(path), [0, 0, 0])
            block[0] += bits
            block[1] += toggles
            block[2] += enabled * bits
            if path.startswith("path.array.product_"):
                products += toggles
        memories: dict[tuple[str, int, int], list[float]] = {}
        for path, bits, depth, writes, reads in self.memories:
            written = sum((cycles if at < 0 else int(counts[at])) * lane / bits
                          for at, lane in writes)
            was_read = sum(cycles if at < 0 else int(counts[at]) for at in reads)
            entry = memories.setdefault((block_of(path), bits, depth), [0, 0.0, 0.0, 0.0])
            entry[0] += 1
            entry[1] += was_read
            entry[2] += written
            entry[3] += max(0.0, cycles - was_read - written)
        return UnitActivity(
            cycles, tuple(BlockActivity(n, *v) for n, v in sorted(blocks.items())),
            tuple(MemoryActivity(*k, int(v[0]), *v[1:]) for k, v in sorted(memories.items())),
            self.gates * cycles, products)


def block_of(path: str) -> str:
    """The block that a register or memory belongs to: the array, its neighbours, a unit."""
    parts = path.split(".")
    if parts[0] == "path":
        return parts[1] if len(parts) > 2 else "path"
    return parts[0] if len(parts) > 1 else "control"


def load_maps(text: str) -> dict[str, ActivityMap]:
    """Read the maps that were saved beside a library."""
    return {name: ActivityMap.from_json(d) for name, d in json.loads(text).items()}
