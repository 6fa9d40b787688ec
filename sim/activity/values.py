"""What was counted of blocks, memories and units."""

from dataclasses import dataclass

__all__ = ["BlockActivity", "MemoryActivity", "UnitActivity"]

#: Fewer bits than this under one condition are clocked in every cycle: a gate would cost more than
#: it saves.
GATED_BITS = 4


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
