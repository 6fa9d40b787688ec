"""Reads a value change dump into rows of bits, one bit for each sample."""

import re
from pathlib import Path

import numpy as np

__all__ = ["VcdError", "read_vcd"]

_VAR = re.compile(r"\$var \S+ +(\d+) (\S+) (\S+)(?: \[[\d:]+\])? +\$end")


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
    signals: dict[str, tuple[int, str]] = {}
    scopes: list[str] = []
    widths: dict[str, int] = {}
    samples: dict[str, list[tuple[int, str]]] = {}
    time = -1
    with Path(path).open() as file:
        for line in file:
            line = line.strip()
            if line.startswith("$var"):
                match = _VAR.match(line)
                if match is None:
                    raise VcdError(f"{path}: unreadable: {line}")
                bits, code = int(match[1]), match[2]
                name = ".".join([*scopes, match[3]])
                if signals.setdefault(name, (bits, code)) != (bits, code):
                    raise VcdError(f"{path}: declares {name} twice")
                widths[code] = bits
                samples.setdefault(code, [])
            elif line.startswith("$scope"):
                scopes.append(line.split()[2])
            elif line.startswith("$upscope"):
                scopes.pop()
            elif line.startswith("#"):
                time += 1
            elif line[:1] in "01xz" and line:
                samples[line[1:]].append((time, line[0]))
            elif line[:1] == "b":
                value, code = line[1:].split()
                samples[code].append((time, value))
    if time < 0:
        raise VcdError(f"{path}: holds no samples")
    count = time + 1
    words = -(-count // 64)
    rows: dict[str, np.ndarray] = {}
    for code, changes in samples.items():
        bits = widths[code]
        table = np.zeros((bits, 64 * words), np.uint8)
        for k, (at, value) in enumerate(changes):
            until = changes[k + 1][0] if k + 1 < len(changes) else count
            digits = np.frombuffer(value.encode()[::-1], np.uint8) == ord("1")
            table[:len(digits), max(at, 0):until] = digits[:, None]
        rows[code] = np.packbits(table, axis=1, bitorder="little").view(np.uint64)
    return {name: rows[code] for name, (_, code) in signals.items()}, count
