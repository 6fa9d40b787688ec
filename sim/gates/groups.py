"""The text of a Liberty cell library, as the groups that it is made of."""

import gzip
import io
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from hw.support.reading import read_limited

__all__ = ["Group", "LibertyError", "parse", "read_text"]

_TOKEN = re.compile(r'/\*.*?\*/|("(?:[^"\\]|\\.)*"|[(){};:,]|[^\s(){};:,"]+)', re.DOTALL)
#: Groups within groups, and bytes of text; no library comes near.
_MOST_DEPTH, _MOST_BYTES = 20, 1 << 28


class LibertyError(ValueError):
    """A file that is not the kind of library that is needed; the message says where."""

    exit_code = 2


@dataclass
class Group:
    """`name (arguments) { attributes, groups }`."""

    name: str
    arguments: list[str]
    attributes: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[list[str]]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def all(self, name: str) -> list["Group"]:
        return [g for g in self.groups if g.name == name]


def parse(text: str, path: Path) -> Group:
    """Return the library that a text holds.

    Raises
    ------
    LibertyError
        Naming the file, and what is wrong in it.
    """
    if text.rfind("/*") > text.rfind("*/"):
        raise LibertyError(f"{path}: its last comment has no end")
    tokens = [m[1] for m in _TOKEN.finditer(text.replace("\\\n", " ")) if m[1]]
    at = 0

    def unquoted(token: str) -> str:
        return token[1:-1] if token.startswith('"') else token

    def group(name: str, arguments: list[str], depth: int) -> Group:
        nonlocal at
        if depth > _MOST_DEPTH:
            raise LibertyError(f"{path}: group {name[:40]!r} is {depth} groups deep; at most "
                               f"{_MOST_DEPTH} are read")
        result = Group(name, arguments)
        while tokens[at] != "}":
            key = tokens[at]
            if key == ";":
                at += 1
                continue
            after = tokens[at + 1]
            if after == ":":
                end = tokens.index(";", at)
                result.attributes[key] = " ".join(unquoted(t) for t in tokens[at + 2:end])
                at = end + 1
            elif after == "(":
                end = tokens.index(")", at)
                values = [unquoted(t) for t in tokens[at + 2:end] if t != ","]
                at = end + 1
                if at < len(tokens) and tokens[at] == "{":
                    at += 1
                    result.groups.append(group(key, values, depth + 1))
                else:
                    result.lists.setdefault(key, []).append(values)
            else:
                raise LibertyError(f"{path}: {key[:40]!r} is followed by {after[:40]!r}; it must "
                                   "be ':' or '('")
        at += 1
        return result

    try:
        if tokens[0] != "library":
            raise LibertyError(f"{path}: begins with {tokens[0][:40]!r}; a Liberty file begins "
                               "with 'library'")
        end = tokens.index("{")
        at = end + 1
        return group("library", [unquoted(t) for t in tokens[2:end - 1]], 0)
    except (IndexError, ValueError) as error:
        if isinstance(error, LibertyError):
            raise
        raise LibertyError(f"{path}: ends before its groups do; it is cut off") from None


def read_text(path: Path) -> bytes:
    """A library's text, gzipped or not.

    Raises
    ------
    LibertyError
        Naming the file.
    OSError
        If it is not there, or cannot be read.
    """
    raw = read_limited(path, _MOST_BYTES, LibertyError)
    try:
        if raw[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
                raw = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LibertyError(f"{path}: cannot be read: {error}") from None
    if len(raw) > _MOST_BYTES:
        raise LibertyError(f"{path}: unpacks to more than {_MOST_BYTES:,} bytes")
    return raw
