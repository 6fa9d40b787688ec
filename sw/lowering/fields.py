"""What instructions can hold: each field as wide as the format and the configuration make it."""

from collections.abc import Iterable, Sequence
from functools import cache

from hw.config import Config
from hw.isa import FORMATS, Opcode, field_bits

from .errors import Unsupported
from .ops import Op
from .stage import Stage

__all__ = ["check_fields"]


def check_fields(ops: Iterable[Op], stages: Sequence[Stage], config: Config) -> None:
    """Refuse what the hardware would stop at.

    Raises
    ------
    Unsupported
        Naming the layer, the field, its value and what it can be.
    """
    for op in ops:
        for name, low, high in _bounds(op.opcode, config):
            value = op.fields.get(name, low)
            if not low <= value <= high:
                raise Unsupported(
                    stages[op.run[0]].layer.name, f"{op.opcode.name}.{name} would be {value}; an "
                    f"instruction holds {low} to {high} of it: make the layer smaller")


@cache
def _bounds(opcode: Opcode, config: Config) -> list[tuple[str, int, int]]:
    """Name, least and greatest value of an instruction's fields."""
    bounds = []
    for f in FORMATS[opcode]:
        low, high = f.bounds
        if not f.signed:
            low, high = int(f.nonzero), min(high, (1 << field_bits(config, f)) - 1)
        bounds.append((f.name, low, high))
    return bounds
