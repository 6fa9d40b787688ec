"""The microcoded core's own instructions, and an assembler for them.

A micro-instruction is 16 bits: 4 of operation, 1 that says where an operand lies, 11 of operand.
There is one register, the accumulator; its 33 bits hold the sign of a difference of words. A word
of the register file is either a variable (`place` 0) or in the slot that was selected last
(`place` 1): an instruction's fields.
"""

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["FILE_SLOT", "IMMEDIATE_BITS", "LOOPS", "VARIABLE_SLOTS", "Assembler", "Get", "Op",
           "Put", "Slot"]

IMMEDIATE_BITS = 11
#: Words of a slot of the register file.
FILE_SLOT = 32
#: Slots that hold the variables.
VARIABLE_SLOTS = 4


class Op(IntEnum):
    """What a micro-instruction does to the accumulator, or with it."""

    #: Take a word.
    LOAD = 0
    #: Add a word.
    ADD = 1
    #: Subtract a word.
    SUB = 2
    #: Write it to a word.
    STORE = 3
    #: Take the operand, signed.
    SET = 4
    #: Add the operand, signed.
    STEP = 5
    #: Go to the operand.
    JUMP = 6
    #: Go there if it is 0, is not, is negative.
    ZERO = 7
    SOME = 8
    MINUS = 9
    #: Shift so many bits of the bit register into it, from above.
    TAKE = 10
    #: Shift it right by so many bits, with zeros or with its sign.
    FILL, SPREAD = 11, 12
    #: Put a word into the bit register.
    BITS = 13
    #: Take from, or give to, the rest of the core.
    GET, PUT = 14, 15


class Get(IntEnum):
    """What `Op.GET` takes."""

    #: Byte offset of the program, and of the window's end.
    PROGRAM = 0
    WINDOW = 1
    #: Cycles since the start, and those in which the array multiplied.
    TOTAL = 2
    FIRED = 3
    #: The activation word at `Put.ACT_ADDR`, from the instruction after the next on.
    ACT = 4
    #: 1, the error came of reading weights.
    SPOILT = 5
    #: One of the sums at `Put.ACC_ADDR`, likewise: the operand is SUM plus its column.
    SUM = 8


class Put(IntEnum):
    """What `Op.PUT` does with the accumulator."""

    #: Select a slot. Go to that address.
    SLOT = 0
    GOTO = 1
    #: Read the external memory there, and take the bytes from there on; but of weights the next
    #: four from where `STREAM` is.
    READ_PROGRAM = 2
    READ_WEIGHTS = 3
    READ_LOAD = 4
    #: Where to write external memory, and what.
    WRITE_ADDR = 5
    WRITE = 6
    #: Where in the activation memory; which bytes of a word; write them (`ACT` all of them).
    ACT_ADDR = 7
    ACT_LANE = 8
    ACT = 9
    ACT_BYTE = 10
    #: Where in the accumulators.
    ACC_ADDR = 11
    #: Multiplier in bits 15:0, shift from 16 on. Multiply by it: as a number, or shifted, rounded
    #: and clamped to 16 bits.
    FACTOR = 12
    TIMES = 13
    SCALE = 14
    #: Layer and opcode that errors name; with the opcode, the layer is 0.
    LAYER = 15
    OPCODE = 16
    #: Stop with an error code; go on in the error routine.
    ERROR = 17
    #: The run is over. Everything is in the log.
    STOP = 18
    READY = 19
    #: Where in the log, and a word for it, after which it is the next one's turn.
    LOG_ADDR = 20
    LOG = 21
    #: The layer of an entry that is being logged.
    MARK = 22
    #: Where the next weights are read.
    STREAM = 23
    #: Go on if it is a multiple of four; if not, it is a bad field.
    ALIGNED = 24
    #: Four bytes of a tile. Of an instruction: its loops.
    WEIGHTS = 32
    STRIDE_W = 33
    STRIDE_H = 34
    DILATION_W = 35
    PAD_VALUE = 36
    IN_W = 37
    IN_H = 38
    OUT_W = 39
    OUT_H = 40
    ROW_STEP = 41
    #: Of the next tile: where its first pixel is read, its position. Start it: bit 0, it sets the
    #: accumulators; bit 1, which bank; the next is a tap further right. Wait until it is done.
    TILE_ADDR = 42
    TILE_X = 43
    TILE_Y = 44
    START = 45
    SYNC = 46


#: Those that are fields of COMPUTE, by the same names.
LOOPS = (Put.STRIDE_W, Put.STRIDE_H, Put.DILATION_W, Put.PAD_VALUE, Put.IN_W, Put.IN_H, Put.OUT_W,
         Put.OUT_H)


@dataclass(frozen=True)
class Slot:
    """A word of the slot that is selected."""

    offset: int


class Assembler:
    """Collects micro-instructions; labels may be used before they are defined."""

    def __init__(self) -> None:
        self._words: list[tuple[Op, int, int | str]] = []
        self._labels: dict[str, int] = {}
        self._variables: dict[str, int] = {}

    def variable(self, name: str) -> int:
        """Address of a variable, which is made when it is first named."""
        return self._variables.setdefault(name, len(self._variables))

    def label(self, name: str) -> None:
        """The next instruction's address."""
        if name in self._labels:
            raise ValueError(f"label {name} is there twice")
        self._labels[name] = len(self._words)

    def emit(self, op: Op, operand: int | str | Slot) -> None:
        """Add an instruction. Of operations on words a text is a variable; of others a label."""
        if isinstance(operand, Slot):
            self._words.append((op, 1, operand.offset))
        elif isinstance(operand, str) and op in (Op.LOAD, Op.ADD, Op.SUB, Op.STORE, Op.BITS):
            self._words.append((op, 0, self.variable(operand)))
        else:
            self._words.append((op, 0, operand))

    def address(self, label: str) -> int:
        """Of a label."""
        return self._labels[label]

    def words(self) -> list[int]:
        """The program.

        Raises
        ------
        ValueError
            If something does not fit.
        """
        if len(self._variables) > VARIABLE_SLOTS * FILE_SLOT:
            raise ValueError(f"{len(self._variables)} variables do not fit")
        found = []
        for op, place, operand in self._words:
            value = self._labels[operand] if isinstance(operand, str) else int(operand)
            if not -(1 << IMMEDIATE_BITS - 1) <= value < 1 << IMMEDIATE_BITS:
                raise ValueError(f"{op.name} {operand} does not fit")
            found.append(op << 12 | place << IMMEDIATE_BITS
                         | value & ((1 << IMMEDIATE_BITS) - 1))
        return found
