"""Where commands are found: each is an entry point, so that nothing imports what is built on it.

A package that is installed beside this one adds a command by an entry point of its own.
"""

import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from .arguments import nearest

__all__ = ["GROUP", "command", "commands", "entries", "program", "summary"]

GROUP = "partita.commands"
_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def commands() -> dict[str, EntryPoint]:
    """Command -> where its `main(argv) -> exit code` is."""
    return entries(GROUP)


def entries(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group, by name; in a checkout as its pyproject.toml says, whether it is
    installed or not."""
    found = {x.name: x for x in entry_points(group=group)}
    if _PROJECT.is_file():
        project = tomllib.loads(_PROJECT.read_text()).get("project", {})
        if project.get("name") == "partita":  # and not that of whoever has these packages beside
            found |= {name: EntryPoint(name, value, group)
                      for name, value in project["entry-points"][group].items()}
    return found


def command(name: str) -> Callable[[list[str]], int]:
    """The `main` of a command.

    Raises
    ------
    ValueError
        If there is no such command.
    """
    found = commands()
    if name not in found:
        raise ValueError(f"no command {name!r}; there are {', '.join(found)}"
                         + nearest(name, found))
    return found[name].load()


def program(point: EntryPoint) -> str:
    """A command as a program of its own."""
    return f"python -m {point.module.removesuffix('.__main__')}"


def summary(point: EntryPoint) -> str:
    """The first sentence of a command's own text."""
    text = sys.modules[point.load().__module__].__doc__ or ""
    return " ".join(text.partition("\n\n")[0].split())
