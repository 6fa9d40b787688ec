"""Reads a value change dump into rows of bits, one bit for each sample."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = ["VcdError", "read_vcd"]

#: Bits of all signals times samples; what is made of them takes a byte each for a while.
_MOST_BITS = 1 << 32
_VAR = re.compile(r"\$var \S+ +(\d{1,6}) (\S+) (\S+)(?: \[[\d:]+\])? +\$end")


class VcdError(ValueError):
    """A file that is not a value change dump."""


def read_vcd(path: Path) -> tuple[dict[str, np.ndarray], int]:
    """Read all signals.

    Returns
    -------
    (signals, samples)
        Name with its scopes, joined by dots -> uint64[bits, words], bit 0 first; a word holds 64
        samples. Bits that are not 0 or 1 read as 0.

    Raises
    ------
    VcdError
    """
    dump = _Dump(Path(path))
    with Path(path).open() as file:
        try:
            for number, line in enumerate(file, 1):
                dump.take(line.strip(), number)
        except UnicodeDecodeError as error:
            raise VcdError(f"{path}: is no text: {error}") from None
    if dump.time < 0:
        raise VcdError(f"{path}: holds no samples")
    count = dump.time + 1
    if (bits := sum(dump.widths.values()) * count) > _MOST_BITS:
        raise VcdError(f"{path}: {bits:,} samples of bits; at most {_MOST_BITS:,} are read")
    rows = {code: _row(changes, dump.widths[code], count)
            for code, changes in dump.samples.items()}
    return {name: rows[code] for name, (_, code) in dump.signals.items()}, count


@dataclass
class _Dump:
    """What has been read of a file: the signals' (bits, code) by name, and (time, value) of each
    code's changes."""

    path: Path
    time: int = -1
    scopes: list[str] = field(default_factory=list)
    signals: dict[str, tuple[int, str]] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def take(self, line: str, number: int) -> None:
        """Read one line."""
        words = line.split()
        if line.startswith("$var"):
            good = self._declare(line)
        elif line.startswith("$scope"):
            good = len(words) > 2
            self.scopes += words[2:3]
        elif line.startswith("$upscope"):
            good = bool(self.scopes)
            del self.scopes[-1:]
        elif line.startswith("#"):
            good = True
            self.time += 1
        elif line[:1] in "01xz" and line:
            good = self._change(line[1:], line[0])
        elif line[:1] == "b":
            good = len(words) == 2 and self._change(words[1], words[0][1:])
        else:
            good = True
        if not good:
            raise VcdError(f"{self.path}: line {number} is unreadable: {line[:80]!r}")

    def _declare(self, line: str) -> bool:
        match = _VAR.match(line)
        if match is None:
            return False
        bits, code = int(match[1]), match[2]
        name = ".".join([*self.scopes, match[3]])
        if self.signals.setdefault(name, (bits, code)) != (bits, code) \
                or self.widths.setdefault(code, bits) != bits:
            raise VcdError(f"{self.path}: declares {name[:200]} twice")
        self.samples.setdefault(code, [])
        return True

    def _change(self, code: str, value: str) -> bool:
        if code not in self.samples or len(value) > self.widths[code]:
            return False
        self.samples[code].append((self.time, value))
        return True


def _row(changes: list[tuple[int, str]], bits: int, count: int) -> np.ndarray:
    """One signal: uint64[bits, words]."""
    table = np.zeros((bits, -(-count // 64) * 64), np.uint8)
    for k, (at, value) in enumerate(changes):
        until = changes[k + 1][0] if k + 1 < len(changes) else count
        digits = np.frombuffer(value.encode()[::-1], np.uint8) == ord("1")
        table[:len(digits), max(at, 0):until] = digits[:, None]
    return np.packbits(table, axis=1, bitorder="little").view(np.uint64)
