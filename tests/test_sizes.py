"""Functions and files that fit in a head, and blocks that say their ports, their time and their
size."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parent.parent
PACKAGES = ("hw", "sw", "sim", "boards", "tests")
FUNCTION_LINES, ELABORATE_LINES, FILE_LINES = 70, 100, 300

#: Files that are longer, and what one thing they are.
LONG: dict[str, str] = {
    "boards/deploy/c/partita.c": "one file of C to copy: the host's side of a board",
    "boards/gateware/link.py": "one block: frames in, accesses, frames out",
    "hw/config.py": "one description: what a user chooses, and the widths derived from it",
    "hw/isa.py": "one format: opcodes, fields, tokens, causes, and how they are packed",
    "sim/gates/netlist.py": "one class: a netlist and its evaluation",
    "sw/driver/driver.py": "one class: the host's side of the registers",
    "sw/ir/operators.py": "one table: what each operator is and takes",
    "sw/iss/instance.py": "one machine: a dispatcher and its units, which share its state",
}
#: Blocks that say no time and no size, and why.
WHOLES: dict[str, str] = {
    "boards/gateware/system.py: BoardSystem": "link, accelerator and memory",
    "hw/gateware/instance.py: Instance": "all blocks of an instance",
    "hw/gateware/micro/core.py: MicroInstance": "all blocks of a microcoded instance",
    "hw/gateware/signatures/ports.py: Core": "the ports that both kinds of instances have",
    "hw/gateware/top.py: Shell": "registers, barrier and fabric",
    "hw/gateware/top.py: Top": "a shell and its instances",
}
Node = TypeVar("Node", bound=ast.AST)


@functools.cache
def sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text()
            for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


@functools.cache
def trees() -> dict[str, ast.Module]:
    return {file: ast.parse(text) for file, text in sources().items()}


def of_kind(kind: type[Node]) -> Iterator[tuple[str, Node]]:
    """Files and what they have of a kind."""
    for file, tree in trees().items():
        yield from ((file, node) for node in ast.walk(tree) if isinstance(node, kind))


def components() -> Iterator[tuple[str, ast.ClassDef]]:
    """Every class that is a component, by its base or its base's."""
    classes = [c for c in of_kind(ast.ClassDef) if c[0].startswith(("hw/", "boards/"))]
    known = {"Component"}
    while new := {node.name for _, node in classes if node.name not in known and known & {
            ast.unparse(base).rpartition(".")[2] for base in node.bases}}:
        known |= new
    yield from ((f"{file}: {node.name}", node) for file, node in classes if node.name in known)


def test_functions_are_short():
    functions: list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]] = [
        *of_kind(ast.FunctionDef), *of_kind(ast.AsyncFunctionDef)]
    long = [f"{file}: {node.name} has {lines} lines"
            for file, node in functions
            if (lines := (node.end_lineno or 0) - node.lineno + 1) >
            (ELABORATE_LINES if node.name == "elaborate" else FUNCTION_LINES)]
    assert not long


def test_files_are_short_or_one_thing():
    others = {str(path.relative_to(ROOT)): path.read_text() for package in PACKAGES
              for kind in ("c", "h", "cpp") for path in (ROOT / package).rglob(f"*.{kind}")}
    long = {file for file, text in (sources() | others).items() if text.count("\n") > FILE_LINES}
    assert long == set(LONG)


def members(block: ast.ClassDef) -> Iterator[str]:
    """Names in the signature that a block gives literally."""
    for call in ast.walk(block):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
            for given in (a for a in call.args if isinstance(a, ast.Dict)):
                yield from (key.value for key in given.keys
                            if isinstance(key, ast.Constant) and isinstance(key.value, str))


def test_members_of_blocks_are_annotated():
    missing = []
    for where, block in components():
        annotated = {node.target.id for node in block.body
                     if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
        missing += [f"{where}.{name}" for name in members(block) if name not in annotated]
    assert not missing


def test_blocks_say_their_time_and_their_size():
    unsaid = set()
    for where, block in components():
        text = ast.get_docstring(block) or ""
        if not all(f"\n{word}\n{'-' * len(word)}\n" in text for word in ("Timing", "Resources")):
            unsaid.add(where)
    assert unsaid == set(WHOLES)
