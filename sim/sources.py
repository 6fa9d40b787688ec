"""The source files that a module's results depend on: its own and those that it imports."""

import ast
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

__all__ = ["sources_key", "sources_of"]

#: Below which packages lie: what is imported from elsewhere has a version of its own.
_ROOT = Path(__file__).resolve().parent.parent


def sources_of(file: Path) -> set[Path]:
    """A file and all that it imports, of this repository, at whatever depth."""
    found: set[Path] = set()
    left = {file.resolve()}
    while left:
        file = left.pop()
        found.add(file)
        left |= _imported(file) - found
    return found


def sources_key(*modules: ModuleType | str) -> str:
    """A short hash of the sources of some modules, or of those of their names."""
    loaded = [sys.modules[m] if isinstance(m, str) else m for m in modules]
    return _hash(set().union(*(sources_of(Path(str(m.__file__))) for m in loaded)))


def _hash(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(f.read_bytes() for f in sorted(files))).hexdigest()[:16]


def _imported(file: Path) -> set[Path]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {(_ROOT, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = file.parents[node.level - 1] if node.level else _ROOT
            module = f"{node.module}." if node.module else ""
            names |= {(base, node.module or "")} | {(base, module + a.name) for a in node.names}
    places = [base.joinpath(*name.split(".")) for base, name in names if name]
    return {p for place in places for p in (place.with_suffix(".py"), place / "__init__.py")
            if p.is_file()}
