"""Reads files that others may have written: no more than a limit, each value checked in its place.

Nothing is allocated by a number in a file before that number has been checked.
"""

import json
import math
import reprlib
from pathlib import Path
from typing import Any, NoReturn

from hw.config import Config

__all__ = ["Field", "FileFormatError", "parse_json", "read_config", "read_json",
           "read_limited"]

_MOST_BYTES = 1 << 24


class FileFormatError(ValueError):
    """A file that is not what it should be; the message names file, field, value and rule."""


class Field:
    """A value of a file, which knows where it stands.

    Parameters
    ----------
    value : what JSON gave
    file : Path
    name : of the field, from the top, as `layers[3].stride`
    error : class of what is raised if the value breaks a rule
    """

    def __init__(self, value: Any, file: Path | str, name: str = "",
                 error: type[ValueError] = FileFormatError):
        self.value, self.file, self.name, self.error = value, file, name, error

    def refuse(self, rule: str) -> NoReturn:
        """Raise the error that says what the value must be."""
        raise self.error(f"{self.file}: {self.name or 'content'} is {reprlib.repr(self.value)}; "
                         f"it must be {rule}")

    def _inner(self, value: Any, name: str) -> "Field":
        return Field(value, self.file, name, self.error)

    def has(self, key: str) -> bool:
        """It is an object with this key."""
        return isinstance(self.value, dict) and key in self.value

    def __getitem__(self, key: str) -> "Field":
        name = f"{self.name}.{key}" if self.name else key
        if not isinstance(self.value, dict):
            self.refuse("an object")
        if key not in self.value:
            raise self.error(f"{self.file}: {name} is missing")
        return self._inner(self.value[key], name)

    def entries(self) -> dict[str, "Field"]:
        """Of an object, by key."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        return {k: self._inner(v, f"{self.name}[{reprlib.repr(k)}]") for k, v in self.value.items()}

    def items(self, count: int | None = None) -> list["Field"]:
        """Of a list, which has `count` of them."""
        if not isinstance(self.value, list) or count not in (None, len(self.value)):
            self.refuse("a list" if count is None else f"a list of {count}")
        return [self._inner(v, f"{self.name}[{k}]") for k, v in enumerate(self.value)]

    def integer(self, low: int, high: int) -> int:
        if type(self.value) is not int or not low <= self.value <= high:
            self.refuse(f"an integer from {low} to {high}")
        return self.value

    def integers(self, low: int, high: int, count: int | None = None) -> tuple[int, ...]:
        """A list of them; quick for long ones."""
        value = self.value
        if not isinstance(value, list) or count not in (None, len(value)):
            self.refuse(f"a list of {'integers' if count is None else f'{count} integers'}")
        if value and (set(map(type, value)) != {int} or min(value) < low or max(value) > high):
            for item in self.items():
                item.integer(low, high)
        return tuple(value)

    def pair(self, low: int, high: int) -> tuple[int, int]:
        """A list of two integers."""
        first, second = self.integers(low, high, 2)
        return first, second

    def number(self, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number."""
        value = self.value
        if type(value) not in (int, float) or not low <= value <= high \
                or not -1e300 < value < 1e300:
            self.refuse("a number" if math.isinf(low) and math.isinf(high) else
                        f"a number from {low:g} to {high:g}")
        return float(value)

    def text(self, most: int = 1000) -> str:
        """Text of at most so many characters, any of them: they are shown harmlessly."""
        if not isinstance(self.value, str) or len(self.value) > most:
            self.refuse(f"text of at most {most} characters")
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            self.refuse("true or false")
        return self.value


def read_limited(path: Path | str, most_bytes: int,
                 error: type[ValueError] = FileFormatError) -> bytes:
    """Read a file of at most so many bytes; OSError is raised as it is."""
    with Path(path).open("rb") as file:
        raw = file.read(most_bytes + 1)
    if len(raw) > most_bytes:
        raise error(f"{path}: is longer than {most_bytes:,} bytes")
    return raw


def read_json(path: Path | str, what: str, error: type[ValueError] = FileFormatError, *,
              most_bytes: int = _MOST_BYTES) -> Field:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
    what : it should be, for messages
    error : class of what is raised if it or a field breaks a rule
    most_bytes : longest file that is read
    """
    return parse_json(read_limited(path, most_bytes, error), path, what, error)


def parse_json(text: bytes | str, path: Path | str, what: str,
               error: type[ValueError] = FileFormatError, name: str = "") -> Field:
    """As `read_json`, of a text that stands in a file."""
    try:
        return Field(json.loads(text, parse_constant=_refuse_constant), path, name, error)
    except (ValueError, RecursionError) as reason:
        raise error(f"{path}: not {what}: {reason}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def read_config(field: Field) -> Config:
    """A configuration that stands in a file."""
    try:
        return Config.from_dict(field.value)
    except ValueError as error:
        raise field.error(f"{field.file}: {field.name}: {error}") from None
