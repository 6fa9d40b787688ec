"""Instructions before they are encoded, with the memory that they touch."""

from dataclasses import dataclass, field
from enum import IntEnum

from hw.isa import UNIT_OF, Opcode, encode

from .batch import Run

__all__ = ["ACT", "EXTERNAL", "Op", "Region", "Unit"]

#: Spaces of regions: activation memory, and the tensors in external memory.
ACT, EXTERNAL = 0, 1


class Unit(IntEnum):
    """The units that run decoupled, numbered as in `hw.isa.UNITS`."""

    LOAD = 0
    STORE = 1
    WEIGHTS = 2
    COMPUTE = 3
    POST = 4


#: Opcode -> the unit that does it.
UNITS = {opcode: Unit[name.upper()] for opcode, name in UNIT_OF.items()}


@dataclass(frozen=True)
class Region:
    """`planes` runs of `length` words, `stride` apart, from word `base` of a space.

    `space` is `ACT` or `EXTERNAL`, a word of which has the offset base * word pitch.
    """

    space: int
    base: int
    planes: int
    stride: int
    length: int


@dataclass
class Op:
    """One instruction of one instance; `wait` and `signal` (of `Token`) and `mark` are set
    by later passes. `run` is the layer and the image that it is for."""

    opcode: Opcode
    run: Run
    fields: dict[str, int]
    reads: tuple[Region, ...] = ()
    writes: tuple[Region, ...] = ()
    wait: set[int] = field(default_factory=set)
    signal: set[int] = field(default_factory=set)
    mark: bool = False

    @property
    def unit(self) -> Unit:
        """Which does it; a FENCE is of none."""
        return UNITS[self.opcode]

    def encode(self) -> bytes:
        """The instruction's 32 bytes."""
        return encode(self.opcode, mark=self.mark, layer=self.run[0], wait=self.wait,
                      signal=self.signal, **self.fields)
