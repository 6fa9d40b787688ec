"""Enumerations with a shape in hardware, as a type checker sees them: enumerations."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import enum

    class Enum(enum.Enum):
        """`amaranth.lib.enum.Enum`; `shape` is the bits of a value."""

        def __init_subclass__(cls, *, shape: int): ...

    class IntEnum(enum.IntEnum):
        """`amaranth.lib.enum.IntEnum`; `shape` is the bits of a value."""

        def __init_subclass__(cls, *, shape: int): ...
else:
    from amaranth.lib.enum import Enum, IntEnum

__all__ = ["Enum", "IntEnum"]
