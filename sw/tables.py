"""The README's reference tables, generated from the code.

    python -m sw.tables            rewrite the tables between the README's markers
    python -m sw.tables --check    exit 1 if they are not current
"""

import argparse
import ast
import dataclasses
import inspect
import os
import re
import sys
import tempfile
from pathlib import Path

from hw import isa, registers
from hw.config import ArrayConfig, BufferConfig, Config, PortConfig

__all__ = ["TABLES", "main", "render"]

README = Path(__file__).resolve().parent.parent / "README.md"


def _table(header: tuple[str, ...], rows: list[tuple]) -> str:
    def cell(value) -> str:
        return str(value).replace("|", "\\|")

    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(cell(v) for v in row) + " |" for row in rows]
    return "\n".join(lines)


def _parameter_docs(cls) -> dict[str, tuple[str, str]]:
    """Name -> (range, meaning) from the Parameters section of a config class's docstring."""
    docs: dict[str, tuple[str, str]] = {}
    name = ""
    for line in inspect.cleandoc(cls.__doc__).splitlines():
        if match := re.match(r"^(\w+) : (.*)$", line):
            name = match[1]
            docs[name] = (match[2], "")
        elif name and line.startswith("    "):
            rule, text = docs[name]
            docs[name] = (rule, f"{text} {line.strip()}".strip())
        else:
            name = ""
    return docs


def config_table() -> str:
    """Every configuration field with its default, range and meaning."""
    top = _parameter_docs(Config)
    rows: list[tuple] = [("`instances`", Config().instances, top["instances"][0],
             "Identical instances behind the memory ports.")]
    for group, cls in (("array", ArrayConfig), ("buffers", BufferConfig), ("port", PortConfig)):
        docs = _parameter_docs(cls)
        for f in dataclasses.fields(cls):
            rule, text = docs[f.name]
            rows.append((f"`{group}.{f.name}`", f.default, rule, text))
    return _table(("field", "default", "range", "meaning"), rows)


def _member_docs(enum_class) -> dict[str, str]:
    """The `#:` comment of each member."""
    source = inspect.getsource(sys.modules[enum_class.__module__]).splitlines()
    tree = ast.parse("\n".join(source))
    body = next(n for n in tree.body
                if isinstance(n, ast.ClassDef) and n.name == enum_class.__name__)
    docs = {}
    for node in body.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            lines: list[str] = []
            at = node.lineno - 2
            while source[at].strip().startswith("#:"):
                lines.insert(0, source[at].strip()[2:].strip())
                at -= 1
            docs[node.targets[0].id] = " ".join(lines)
    return docs


def _enum_table(enum_class, name: str) -> str:
    docs = _member_docs(enum_class)
    return _table((name, "value", "meaning"),
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
        parts.append(f"{title}:\n\n" + _table(("field", "bits", "", "meaning"), rows))
    parts.append("Tokens:\n\n" + _enum_table(isa.Token, "token"))
    return "\n\n".join(parts)


def register_table() -> str:
    """The control registers."""
    rows = [(f"`{n}`", f"0x{r.offset:04x}", r.access, r.doc) for n, r in registers.GLOBAL.items()]
    rows += [(f"`{n}[i]`", f"0x{registers.address(n, 0):04x} + "
              f"0x{registers.INSTANCE_STRIDE:x} i", r.access, r.doc)
             for n, r in registers.INSTANCE.items()]
    return _table(("register", "address", "access", "meaning"), rows)


def error_table() -> str:
    """The error codes and the causes that cycles are counted under."""
    return (_enum_table(isa.ErrorCode, "error") + "\n\nCycle counters, one cause per cycle:\n\n"
            + _enum_table(isa.Cause, "cause"))


#: Marker name -> function that renders the table.
TABLES = {"config": config_table, "instructions": instruction_table,
          "registers": register_table, "errors": error_table}


def render(text: str) -> str:
    """Return `text` with what stands between each pair of markers replaced.

    Raises
    ------
    ValueError
        If a table's markers are missing.
    """
    for name, table in TABLES.items():
        before, after = f"<!-- table:{name} -->", f"<!-- /table:{name} -->"
        head, found, rest = text.partition(before)
        _, closed, tail = rest.partition(after)
        if not found or not closed:
            raise ValueError(f"README.md has no markers for table {name!r}")
        text = f"{head}{before}\n{table()}\n{after}{tail}"
    return text


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m sw.tables", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    args = parser.parse_args(argv)
    old = README.read_text()
    new = render(old)
    if args.check:
        if new != old:
            print("README.md's tables are not current; run: python -m sw.tables", file=sys.stderr)
            return 1
        return 0
    handle, name = tempfile.mkstemp(dir=README.parent)
    with os.fdopen(handle, "w") as file:
        file.write(new)
    os.chmod(name, 0o644)
    os.replace(name, README)
    return 0


if __name__ == "__main__":
    sys.exit(main())
