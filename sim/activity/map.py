"""What a run did, counted in RTL: toggles and clocked cycles of registers, accesses of memories.

A register that is written under a condition is clocked only in cycles in which the condition
holds: in silicon its enable gates its clock, and registers with the same condition share the gate,
whose own pin is clocked always. To count those cycles, and the accesses of each
memory port, `instrument` adds to each such process a one-bit register that flips whenever the
process writes. The toggle counters then count it like any other bit.
"""

import json
from dataclasses import dataclass

import numpy as np

from .instrument import Module
from .values import GATED_BITS, BlockActivity, MemoryActivity, UnitActivity

__all__ = ["ActivityMap"]


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
    def build(cls, flip_flops: list, modules: dict[str, Module],
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
