"""The source files that a module's results depend on: its own and those that it imports."""

import hashlib
import re
import sys
import time
from functools import cache
from pathlib import Path
from types import ModuleType

__all__ = ["edited", "sources_key", "sources_of"]

#: Below which packages lie: what is imported from elsewhere has a version of its own.
_ROOT = Path(__file__).resolve().parents[2]
#: An import statement: dots, module, names; or modules. Not by `ast`, which in Python 3.11 must not
#: be used in two threads at once.
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)"
                     r"|import[ \t]+([^\n]+))", re.MULTILINE)
_NAME = re.compile(r"[\w.]+")
_BEGAN = time.time()


@cache
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


def edited(*modules: str) -> bool:
    """Whether a source of some modules has changed since this program began: what is loaded may
    be older than what a key is of."""
    return any(f.stat().st_mtime >= _BEGAN
               for m in modules for f in sources_of(Path(str(sys.modules[m].__file__))))


def _hash(files: set[Path]) -> str:
    return hashlib.sha256(b"\0".join(f.read_bytes() for f in sorted(files))).hexdigest()[:16]


def _imported(file: Path) -> set[Path]:
    """Files of what a file imports, or of what in its text looks like it."""
    places = []
    for dots, module, names, modules in _IMPORT.findall(file.read_text()):
        if names:
            package = (file.parents[len(dots) - 1] if dots else _ROOT).joinpath(*module.split("."))
            places += [package, *(package / name for name in _NAME.findall(names))]
        places += [_ROOT.joinpath(*name.split(".")) for name in _NAME.findall(modules)]
    return {p for place in places for p in (place.with_suffix(".py"), place / "__init__.py")
            if p.is_file()}
