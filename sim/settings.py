"""Rules for the numbers that reach the simulation's C, whose words would wrap without a sound."""

import numbers
import operator
from typing import Any

__all__ = ["LIMITS", "MOST_STALL", "check_settings", "check_stall"]

_MOST_WORD = (1 << 32) - 1
#: Setting -> its smallest and largest value.
LIMITS = {
    "memory_bytes": (1, 1 << 32), "latency_cycles": (1, 1_000_000),
    "page_miss_cycles": (0, 1_000_000), "page_bytes": (1, _MOST_WORD), "banks": (1, 1 << 16),
    "seed": (0, (1 << 64) - 1), "threads": (1, 256),
    "cycles": (0, (1 << 63) - 1), "value": (0, _MOST_WORD), "addr": (0, _MOST_WORD),
}
#: Largest probability that a memory channel stalls in a cycle.
MOST_STALL = 0.9


def check_integer(name: str, value: Any, low: int, high: int) -> None:
    """Refuse what is no whole number within bounds.

    Raises
    ------
    ValueError
        Naming the setting, its value and the rule.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:  # a fraction, a text, an array unless it is of one whole number
        number = None
    if number is None or not low <= number <= high:
        raise ValueError(f"{name} is {value!r}; it must be a whole number from {low:,} to "
                         f"{high:,}")


def check_settings(**values: object) -> None:
    """Refuse values of `LIMITS` beyond them; raises as `check_integer`."""
    for name, value in values.items():
        check_integer(name, value, *LIMITS[name])


def check_stall(value: object) -> None:
    """Refuse what is no probability of stalling; raises as `check_integer`."""
    if not isinstance(value, numbers.Real) or not 0 <= float(value) <= MOST_STALL:
        raise ValueError(f"stall_probability is {value!r}; it must be from 0 to {MOST_STALL}")
