"""What the READMEs name: commands, links, files, modules and targets of make."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sw.tables import readmes

__all__ = ["ROOT", "anchors", "code", "commands", "dotted_exists", "links", "texts"]

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = "hw|sim|sw|boards|tests"


def texts() -> dict[str, str]:
    """README, by its path from the repository's root -> its text."""
    return {str(path.relative_to(ROOT)): path.read_text() for path in readmes(ROOT)}


def code(text: str) -> list[str]:
    """What stands as code: between backticks in a line or over two, or indented."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    return spans + [line.strip() for line in
                    re.sub(r"\\\n\s+", "", text).splitlines() if re.match(r" {4,}\S", line)]


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The module and the arguments of each `python -m` command, with a number where a letter
    stands for one."""
    for span in code(text):
        if match := re.match(r"python -m ([\w.]+)(.*)", span):
            words = re.sub(r"\s#\s.*", "", match[2]).split()
            yield match[1], [re.sub(r"\b[BN]\b", "2", word) for word in words]


def links(text: str) -> list[tuple[str, str]]:
    """File and heading of each link that stays in the repository."""
    found = [target.partition("#") for target in re.findall(r"\]\(([^)]+)\)", text)
             if "://" not in target]
    return [(file, heading) for file, _, heading in found]


def anchors(text: str) -> set[str]:
    """What a link may name after #."""
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def dotted_exists(name: str) -> bool:
    """Whether a name of this repository, such as `sw.api.run`, is a module's or in one."""
    parts = name.split(".")
    for k in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:k])
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
            found: Any = importlib.import_module(".".join(parts[:k]))
            for attribute in parts[k:]:
                found = getattr(found, attribute, None)
            return found is not None
    return False
