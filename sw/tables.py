"""The READMEs' tables, generated from the code and from what was measured.

    python -m sw.tables            rewrite the tables between the READMEs' markers
    python -m sw.tables --check    exit 1 if they are not current

A table stands between `<!-- table:NAME -->` and `<!-- /table:NAME -->`, in whichever README.md.

Exit codes: 0 ok, 1 not current, 2 usage or markers in disorder, 5 input or output failed,
130 interrupted.
"""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hw.support.arguments import Parser
from hw.support.docstrings import rooms_table
from hw.support.errors import exit_code
from hw.support.files import save_file
from hw.support.markdown import fill, markers

__all__ = ["known_tables", "main", "readmes", "render"]

ROOT = Path(__file__).resolve().parent.parent
#: A table that every README may show, of its own folder.
_ROOMS = "rooms"


def _packages(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/__init__.py"))


def readmes(root: Path) -> list[Path]:
    """Every README.md: the front page, and those of the packages.

    Raises
    ------
    ValueError
        If there is no front page, as in an installed package.
    """
    front = root / "README.md"
    if not front.is_file():
        raise ValueError(f"{front} is not there: the tables are those of a checkout")
    return [front, *(p for package in _packages(root) for p in sorted(package.rglob("README.md")))]


def known_tables() -> dict[str, Callable[[], str]]:
    """Marker -> what renders its table: `TABLES` of each module `tables` that has it. They are
    found by their paths, since packages that stand above this one have tables, too.

    Raises
    ------
    ValueError
        If two tables have the same name.
    """
    found: dict[str, Callable[[], str]] = {}
    for package in _packages(ROOT):
        for path in sorted(set(package.rglob("tables.py")) - {Path(__file__).resolve()}):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            tables = importlib.import_module(name).TABLES
            if twice := sorted((found.keys() | {_ROOMS}) & tables.keys()):
                raise ValueError(f"{name} has a table {twice[0]!r}, as another has; rename it")
            found |= tables
    return found


def render(root: Path, tables: dict[str, Callable[[], str]]) -> dict[Path, str]:
    """README -> its text with current tables.

    Raises
    ------
    ValueError
        If a README's markers are not in order, one names no table, or a table stands nowhere.
    """
    paths = readmes(root)
    texts: dict[Path, str] = {}
    shown: set[str] = set()
    for path in paths:
        name, old = str(path.relative_to(root)), path.read_text()
        texts[path] = fill(old, tables | {_ROOMS: partial(rooms_table, path.parent)}, name)
        shown |= markers(old, name).keys()
    if missing := sorted(tables.keys() - shown):
        names = ", ".join(str(path.relative_to(root)) for path in paths)
        raise ValueError(f"<!-- table:{missing[0]} --> is missing: it stands in none of {names}")
    return texts


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    return parser


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    args = parser().parse_args(argv)
    texts = render(ROOT, known_tables())
    old = {path: text for path, text in texts.items() if path.read_text() != text}
    for path, text in old.items():
        name = path.relative_to(ROOT)
        if args.check:
            print(f"{name}'s tables are not current; run: python -m sw.tables", file=sys.stderr)
        else:
            save_file(path, text)
            print(f"wrote {name}")
    return 1 if args.check and old else 0


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.tables")


if __name__ == "__main__":
    sys.exit(main())
