"""The reference tables: configuration, instructions, control registers, errors and counters."""

import dataclasses
from collections.abc import Callable
from enum import Enum

from hw.support.docstrings import member_docs, parameter_docs
from hw.support.markdown import markdown_table

from . import isa, registers
from .config import ArrayConfig, BufferConfig, Config, PortConfig

__all__ = ["TABLES"]


def config_table() -> str:
    """Every configuration field with its default, range and meaning."""
    rows: list[tuple] = []
    for group, cls in (("", Config), ("array.", ArrayConfig), ("buffers.", BufferConfig),
                       ("port.", PortConfig)):
        docs = parameter_docs(cls)
        for f in dataclasses.fields(cls):
            if f.default is not dataclasses.MISSING:  # else it is a group
                rows.append((f"`{group}{f.name}`", f.default, *docs[f.name]))
    return markdown_table(("field", "default", "range", "meaning"), rows)


def _enum_table(enum_class: type[Enum], name: str) -> str:
    docs = member_docs(enum_class)
    return markdown_table((name, "value", "meaning"),
                          [(f"`{m.name}`", m.value, docs[m.name]) for m in enum_class])


def instruction_table() -> str:
    """Every instruction's fields, with bit positions."""
    parts = [_enum_table(isa.Opcode, "opcode")]
    for title, fields, start in [("Header of every instruction", isa.HEADER, 0)] + [
            (f"`{op.name}`", spec, sum(f.bits for f in isa.HEADER))
            for op, spec in isa.FORMATS.items() if spec]:
        rows, position = [], start
        for f in fields:
            top = position + f.bits - 1
            bits = f"{top}:{position}" if f.bits > 1 else str(position)
            notes = ("non-zero" if f.nonzero else "") + ("signed" if f.signed else "")
            rows.append((f"`{f.name}`", bits, notes, f.doc))
            position += f.bits
        parts.append(f"{title}:\n\n" + markdown_table(("field", "bits", "", "meaning"), rows))
    parts.append("Tokens:\n\n" + _enum_table(isa.Token, "token"))
    return "\n\n".join(parts)


def register_table() -> str:
    """The control registers."""
    rows = [(f"`{n}`", f"0x{r.offset:04x}", r.access, r.doc) for n, r in registers.GLOBAL.items()]
    rows += [(f"`{n}[i]`", f"0x{registers.address(n, 0):04x} + "
              f"0x{registers.INSTANCE_STRIDE:x} i", r.access, r.doc)
             for n, r in registers.INSTANCE.items()]
    return markdown_table(("register", "address", "access", "meaning"), rows)


def error_table() -> str:
    """The error codes and the causes that cycles are counted under."""
    return (_enum_table(isa.ErrorCode, "error") + "\n\nCycle counters, one cause per cycle:\n\n"
            + _enum_table(isa.Cause, "cause"))


#: Marker -> what renders its table.
TABLES: dict[str, Callable[[], str]] = {
    "config": config_table, "instructions": instruction_table, "registers": register_table,
    "errors": error_table}
