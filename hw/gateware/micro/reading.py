"""The microprogram's part that reads instructions and takes them apart."""

from hw.isa import (
    FORMATS,
    HEADER,
    INSN_BYTES,
    UNIT_OF,
    UNITS,
    ErrorCode,
    Field,
    Opcode,
    Token,
    fields_of,
    used_bits,
)

from .machine import Get, Op, Put
from .writer import Unit, Writer

__all__ = ["write_dispatch"]

_WORD = 32


def write_dispatch(w: Writer) -> None:
    """Read an instruction, check it, and put it where its unit finds it."""
    w.ops((Op.SET, Opcode.END.value), (Op.PUT, Put.OPCODE))
    _word(w, 0)
    bits = _Bits(w)
    for field in HEADER[:3]:
        bits.take(field.bits)
        w.ops((Op.STORE, f"new_{field.name}"))
    w.put("new_opcode", Put.OPCODE)
    w.put("new_layer", Put.LAYER)
    known = [opcode for opcode in FORMATS if opcode is not Opcode.FENCE]  # it has none
    for opcode in known:
        w.ops((Op.LOAD, "new_opcode"), (Op.STEP, -opcode.value),
              (Op.ZERO, f"read_{opcode.name}"))
    w.error(ErrorCode.ILLEGAL_OPCODE)
    w.label("bad")
    w.error(ErrorCode.BAD_FIELD)
    position = bits.position
    for opcode in known:
        w.label(f"read_{opcode.name}")
        bits = _Bits(w, position)
        if opcode is Opcode.END:
            bits.take(sum(side.bits for side in HEADER[3:]))
            w.ops((Op.SOME, "bad"))
            w.const(1, "ended")
        else:
            _read(w, opcode, bits)
        w.const(0, "stale")
        w.ops((Op.JUMP, "units"))
    w.label("beyond")
    w.error(ErrorCode.ADDRESS_WINDOW)


def _word(w: Writer, number: int) -> None:
    """Put a word of the new instruction into the bit register."""
    w.ops((Op.LOAD, "program"), (Op.STEP, 4 * number), (Op.PUT, Put.READ_PROGRAM),
          (Op.STORE, "raw"), (Op.BITS, "raw"))


def _read(w: Writer, opcode: Opcode, bits: "_Bits") -> None:
    """Check an instruction, and write its fields to the next slot of its unit."""
    config = w.config
    unit = w.units[UNITS[UNIT_OF[opcode]]]
    w.ops((Op.LOAD, f"{unit.name}_count"), (Op.STEP, -unit.depth), (Op.ZERO, "units"))
    w.put(f"{unit.name}_tail", Put.SLOT)
    w.copy("new_mark", unit["mark"])
    w.copy("new_layer", unit["layer"])
    for side in HEADER[3:]:
        used = used_bits(config, opcode, side)
        bit = 0
        while bit < side.bits:
            unused = next((b for b in range(bit, side.bits) if b in used), side.bits) - bit
            bits.take(unused or 1)
            w.ops((Op.SOME, "bad") if unused
                  else (Op.STORE, unit[f"{side.name}_{Token(bit).name}"]))
            bit += unused or 1
    for field in fields_of(config, opcode):
        _field(w, opcode, field, unit, bits)
    if opcode is Opcode.BARRIER:  # nobody else is there to wait for
        w.const(0, unit["runs"])
    elif opcode is Opcode.WEIGHTS:
        w.ops((Op.LOAD, unit["chunks"]), (Op.STORE, "raw"))
        for _ in range(config.chunk_bytes.bit_length() - 2):  # to half of the bytes
            w.ops((Op.ADD, "raw"), (Op.STORE, "raw"))
        w.ops((Op.GET, Get.WINDOW), (Op.SUB, "raw"), (Op.SUB, "raw"), (Op.SUB, unit["ext_addr"]),
              (Op.MINUS, "beyond"))
    w.add(f"{unit.name}_count", 1)
    w.advance(unit, "tail", f"told_{opcode.name}")
    w.add("program", INSN_BYTES)


def _field(w: Writer, opcode: Opcode, field: Field, unit: Unit, bits: "_Bits") -> None:
    """Check a field, and keep it where its unit has a word for it."""
    positions = used_bits(w.config, opcode, field)
    used = positions[-1] + 1 if positions else 0
    if used:
        bits.take(used, signed=field.signed)
        if positions[0]:  # an address of whole beats
            w.ops((Op.PUT, Put.ALIGNED))
        if field.nonzero:
            w.ops((Op.ZERO, "bad"))
        if field.name in unit:
            w.ops((Op.STORE, unit[field.name]))
    if used < field.bits:
        bits.take(field.bits - used)
        w.ops((Op.SOME, "bad"))


class _Bits:
    """Takes an instruction apart, bit by bit."""

    def __init__(self, writer: Writer, position: int = 0):
        self._writer = writer
        self.position = position

    def take(self, bits: int, *, signed: bool = False) -> None:
        """The next bits become the accumulator."""
        ops, left = self._writer.ops, bits
        while left:
            if self.position and self.position % _WORD == 0:
                ops((Op.STORE, "part"))
                _word(self._writer, self.position // _WORD)
                ops((Op.LOAD, "part"))
            now = min(left, _WORD - self.position % _WORD)
            ops((Op.TAKE, now))
            self.position += now
            left -= now
        if bits < _WORD:
            ops((Op.SPREAD if signed else Op.FILL, _WORD - bits))
