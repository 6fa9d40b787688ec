"""Verilog in which a word that is read and written in one cycle reads inverted.

Block RAM leaves open what such a read returns: synthesis runs with `-no-rw-check`. Here the bits
that are written are read as what they were not. Memories that are read within the cycle have no
such reads.
"""

import re

__all__ = ["with_inverted"]

_MEMORY = re.compile(r"^  reg (?:\[(\d+):0\] )?(\\\S+ |\w+) ?\[\d+:0\];\n", re.MULTILINE)
_WRITTEN = re.compile(r" ?(?:\[(\d+)(?::(\d+))?\])? <= ")  # not what it holds at first


def _index(text: str, at: int) -> str:
    """The address in the brackets that open there."""
    depth = 0
    for k in range(at, len(text)):
        depth += {"[": 1, "]": -1}.get(text[k], 0)
        if not depth:
            return text[at + 1:k]
    raise ValueError(f"brackets do not close: {text[at:at + 60]!r}")


def _writes(module: str, name: str, bits: int) -> list[str]:
    """Of each write port's part of a word: the bits that it writes at an address, a pattern for
    the address to be put in."""
    found = []
    form = re.compile(rf"^    (?:if \((.*)\)\n      )?{re.escape(name)}(?=\[)", re.MULTILINE)
    for match in form.finditer(module):
        address = _index(module, match.end())
        part = _WRITTEN.match(module, match.end() + len(address) + 2)
        if part is None:
            continue
        high, low = int(part[1] or bits - 1), int(part[2] or part[1] or 0)
        mask = ((1 << high + 1) - 1) >> low << low
        found.append(f"(({match[1] or 1}) && ({address}) == (%s) ? {bits}'h{mask:x} : {bits}'h0)")
    return found


def _invert(module: str) -> tuple[str, int]:
    """A module with its colliding reads inverted, and how many reads can collide."""
    count = 0
    for memory in _MEMORY.finditer(module):
        name, bits = memory[2], int(memory[1] or 0) + 1
        flips = "".join(f" ^ {write}" for write in _writes(module, name, bits))
        reads = list(re.finditer(rf"^ +_\d+_ <= {re.escape(name)}(?=\[)", module, re.MULTILINE))
        for read in reversed(reads):  # what is before is not moved
            address = _index(module, read.end())
            end = read.end() + len(address) + 2
            module = module[:end] + flips.replace("%s", address) + module[end:]
        count += len(reads) * bool(flips)
    return module, count


def with_inverted(texts: dict[str, str]) -> dict[str, str]:
    """Verilog of some modules, as `hw.gateware.verilog` writes it, with colliding reads inverted.

    Raises
    ------
    ValueError
        If no read can collide.
    """
    count, found = 0, {}
    for name, text in texts.items():
        modules = [_invert(m) for m in re.split(r"(?m)^(?=module )", text)]
        found[name] = "".join(m for m, _ in modules)
        count += sum(n for _, n in modules)
    if not count:
        raise ValueError(f"{', '.join(texts)}: no memory's reads can collide with writes")
    return found
