"""What source text says of itself: parameters, members, and what modules are for."""

import ast
import inspect
import re
import sys
from pathlib import Path

from .markdown import markdown_table

__all__ = ["member_docs", "parameter_docs", "rooms_table"]


def parameter_docs(cls: type) -> dict[str, tuple[str, str]]:
    """Name -> (range, meaning) from the Parameters section of a class's docstring; of members
    that have one line each, that line in place of the range."""
    docs: dict[str, tuple[str, str]] = {}
    name = ""
    for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
        if match := re.match(r"^(\w+) : (.*)$", line):
            name = match[1]
            docs[name] = (match[2], "")
        elif name and line.startswith("    "):
            rule, text = docs[name]
            docs[name] = (rule, f"{text} {line.strip()}".strip())
        else:
            name = ""
    return docs


def member_docs(cls: type) -> dict[str, str]:
    """Member -> the `#:` comment above it."""
    source = inspect.getsource(sys.modules[cls.__module__]).splitlines()
    body = next(n for n in ast.parse("\n".join(source)).body
                if isinstance(n, ast.ClassDef) and n.name == cls.__name__).body
    docs = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            lines: list[str] = []
            at = node.lineno - 2
            while source[at].strip().startswith("#:"):
                lines.insert(0, source[at].strip()[2:].strip())
                at -= 1
            docs[node.targets[0].id] = " ".join(lines)
    return docs


def purpose(path: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    first = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"\.(?: |$)", first, maxsplit=1)[0].rstrip(":")


def rooms_table(package: Path) -> str:
    """What a package is made of: its own modules, and the folders below it with their purpose."""
    doors = [(f"`{path.name}`", purpose(path)) for path in sorted(package.glob("*.py"))
             if path.name != "__init__.py"]
    rooms = [(f"`{path.parent.relative_to(package)}/`", purpose(path))
             for path in sorted(package.glob("*/**/__init__.py"))]
    return markdown_table(("", "purpose"), doors + rooms)
