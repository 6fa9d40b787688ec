"""Imports run one way: between packages, between rooms and between files."""

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: From the bottom to the top.
PACKAGES = ("hw", "sim", "sw", "boards")

Edges = dict[str, set[str]]


@functools.cache
def files() -> dict[str, Path]:
    """Module -> its file."""
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
            for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def imported(module: str) -> Iterator[str]:
    """Modules of this repository that a module imports, at its top or anywhere within."""
    path = files()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[:1 - node.level or None] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            names = [name if (name := f"{base}.{alias.name}") in files() else base
                     for alias in node.names]
        else:
            continue
        yield from (name for name in names if name in files() and name != module)


def room(module: str) -> str:
    """A module's folder; a door, which stands in a package itself, is a room of its own."""
    if files()[module].name == "__init__.py":
        return module
    return module.rpartition(".")[0] if module.count(".") > 1 else module


@functools.cache
def edges() -> Edges:
    return {module: set(imported(module)) for module in files()}


def between_rooms() -> Edges:
    found: Edges = defaultdict(set)
    for module, others in edges().items():
        found[room(module)] |= {room(other) for other in others} - {room(module)}
    return found


def circle(graph: Edges) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_packages_import_what_is_below_them():
    upwards = [f"{module} -> {other}" for module, others in edges().items() for other in others
               if PACKAGES.index(other.split(".")[0]) > PACKAGES.index(module.split(".")[0])]
    assert not upwards


def test_rooms_form_no_circle():
    assert not circle(between_rooms())


def test_files_form_no_circle():
    assert not circle(edges())


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert "hw.support.errors" in edges()["sw.cli"]  # the files are read


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_each_folder_says_its_purpose_in_a_line(package):
    for folder in {path.parent for path in (ROOT / package).rglob("*.py")}:
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert text and text.splitlines()[0].endswith("."), folder


def test_imports_of_neighbours_are_relative_and_others_absolute():
    for module, path in files().items():
        folder = ".".join(path.relative_to(ROOT).parts[:-1])
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                place = f"{module}, line {node.lineno}"
                assert node.level < 2, place
                package, _, name = (node.module or "").rpartition(".")
                neighbour = package == folder and (path.parent / f"{name}.py").exists()
                assert node.level or not neighbour, f"{place}: {node.module} is a neighbour"
