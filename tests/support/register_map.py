"""What `hw.registers` promises of each register, as values."""

from collections.abc import Callable

import pytest

from hw.config import Config
from hw.registers import (
    CONTROL_ADDR_BITS,
    GLOBAL,
    INSTANCE,
    INSTANCE_BASE,
    INSTANCE_STRIDE,
    REFUSED_WIDE,
    Register,
    address,
    kept_bits,
    reset_value,
)

__all__ = ["LATCHED", "PATTERNS", "assert_whole_words", "every_register", "kept", "strangers"]

#: Written words: none, all, and alternating bits; one bit at each end, and in the middle.
PATTERNS = (0xFFFFFFFF, 0, 0x55555555, 0xAAAAAAAA, 1, 1 << 31, 0x00012340, 0x04000000)
#: What stays as it was at START while an instance runs.
LATCHED = (*REFUSED_WIDE, "ACTIVE")


def every_register(config: Config) -> dict[tuple[str, int | None], Register]:
    """Every register, by its name and its instance, which is None of a global one."""
    return {**{(name, None): r for name, r in GLOBAL.items()},
            **{(name, i): r for i in range(config.instances) for name, r in INSTANCE.items()}}


def kept(config: Config, name: str, word: int) -> int:
    """What a register of `rw` reads after a word was written."""
    bits = kept_bits(config, name)
    if name in REFUSED_WIDE and word >> bits.stop:
        word = 0xFFFFFFFF
    return sum(1 << k & word for k in bits)


def strangers(config: Config) -> list[int]:
    """Addresses between the registers and behind them."""
    taken = {address(*one) for one in every_register(config)}
    pages = [0, *(INSTANCE_BASE + i * INSTANCE_STRIDE for i in range(config.instances + 1))]
    words = {page + offset for page in pages if page < 1 << CONTROL_ADDR_BITS
             for offset in range(0, INSTANCE_STRIDE, 4)}
    words |= {1 << k for k in range(8, CONTROL_ADDR_BITS)}
    words |= {(1 << k) - 4 for k in range(8, CONTROL_ADDR_BITS + 1)}
    return sorted(words - taken) + [at + k for at in sorted(taken)[:4] for k in (1, 2, 3)]


def assert_whole_words(config: Config, write: Callable[[int, int], None],
                       read: Callable[[int], int], *, beside: int = 0) -> None:
    """Check every register by whole words, as a host reaches them after a reset; what answers
    with an error is a ValueError.

    Parameters
    ----------
    beside : addresses without a register that are tried; 0 for all
    """
    expected = {one: reset_value(config, one[0]) for one, register in
                every_register(config).items() if register.access != "wo"}

    def assert_reads() -> None:
        for one, word in expected.items():
            found = read(address(*one))
            assert word in (None, found), (one, hex(found))

    assert_reads()
    for one, register in every_register(config).items():
        at, name = address(*one), one[0]
        for word in PATTERNS if register.access == "rw" else PATTERNS[:1]:
            if register.access == "ro":
                with pytest.raises(ValueError, match="there is no register"):
                    write(at, word)
            elif name != "START":
                write(at, word)
            if register.access == "rw":
                expected[one] = kept(config, name, word)
                assert read(at) == expected[one], (one, hex(word))
        if register.access == "wo":
            with pytest.raises(ValueError, match="there is no register"):
                read(at)
    words = [at for at in strangers(config) if at % 4 == 0]
    for at in words[::max(1, len(words) // beside) if beside else 1]:
        with pytest.raises(ValueError, match="there is no register"):
            read(at)
        with pytest.raises(ValueError, match="there is no register"):
            write(at, 0xFFFFFFFF)
    assert_reads()
