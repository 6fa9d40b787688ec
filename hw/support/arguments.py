"""What commands take on their command lines: a parser whose refusals are errors, bounded numbers.

A refusal names the option, its value and the rule: `--jobs is 0; it must be from 1 to 256`.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

__all__ = ["IMAGES", "JOBS", "PARTITIONS", "SEED", "Items", "Number", "Parser", "UsageError",
           "array_size", "file_path", "given", "integer", "integers", "nearest", "real", "word"]

_SHOWN = 40
#: What names a network where it is no argument of its own.
_SUBJECT = "--network"


class UsageError(ValueError):
    """A command line that cannot be followed; the message names the option and the rule."""


class Parser(argparse.ArgumentParser):
    """A parser that raises `UsageError` where argparse would leave the program, for one way from
    any error to its exit code. Help texts are shown as they are written; options have to be written
    out, as an abbreviation may be that of another command's. Where a command takes a network as an
    argument or by --network, and is given it in the other way, the refusal says so."""

    def __init__(self, **options):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options,
                         exit_on_error=False, allow_abbrev=False)

    def parse_known_args(self, args=None, namespace=None):
        self._given = list(sys.argv[1:] if args is None else args)
        for text in args or ():
            if text.startswith("-") and text.endswith("=--"):  # of which argparse makes a list
                raise UsageError(f"{text.removesuffix('=--')} is '--'; it must be a value")
        try:
            return super().parse_known_args(args, namespace)
        except argparse.ArgumentError as error:
            option, text = error.argument_name, error.message
            if option is None:
                raise UsageError(text + _other_form(self, self._given, text)) from None
            between = " " if text.startswith(("is ", "has ")) else ": "
            raise UsageError(option + between + text) from None

    def error(self, message: str):
        raise UsageError(message + _other_form(self, self._given, message))

    def _print_message(self, message: str, file=None) -> None:
        """Raise OSError if the text cannot be written, which argparse would keep to itself."""
        if message:
            (file or sys.stdout or sys.stderr).write(message)


def _other_form(parser: argparse.ArgumentParser, given: Iterable[str], message: str) -> str:
    """The end of a message that refuses what a command takes in another form: an argument given as
    an option of its name, or one that should follow --network."""
    given = list(given)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            chosen = next((action.choices[x] for x in given if x in action.choices), None)
            return _other_form(chosen, given, message) if chosen else ""
        option = f"--{action.dest}"
        if not action.option_strings and any(x.partition("=")[0] == option for x in given):
            return f"; give {action.metavar or action.dest} without {option}"
    surplus = message.removeprefix("unrecognized arguments: ")
    named = any(x.partition("=")[0] == _SUBJECT for x in given)
    if surplus in given and not surplus.startswith("-") and not named \
            and _SUBJECT in parser._option_string_actions:
        return f"; the network has an option: {_SUBJECT} {surplus}"
    return ""


def _shown(text: str) -> str:
    """A value for a message, never long; in quotes unless it is a number."""
    if len(text) > _SHOWN:
        return repr(text[:_SHOWN] + "...")
    try:
        float(text)
    except ValueError:
        return repr(text)
    return text


@dataclass(frozen=True)
class Number:
    """Reads a finite number from `low` to `high`; with `above`, greater than `low`.

    Raises
    ------
    argparse.ArgumentTypeError
        Which, as the option's type, argparse puts its name before.
    """

    kind: type
    low: float
    high: float
    above: bool = False

    @property
    def rule(self) -> str:
        noun = "a whole number" if self.kind is int else "a number"
        if self.low == -math.inf:
            return noun
        low, high = (f"{x:,}" if self.kind is int else f"{x:g}" for x in (self.low, self.high))
        if self.above:
            return f"{noun} above {low}, at most {high}"
        return f"{noun} from {low} to {high}"

    def __call__(self, text: str) -> Any:
        try:
            value = self.kind(text)
        except ValueError:
            value = math.nan
        inside = self.low <= value <= self.high and not (self.above and value == self.low)
        if not inside or (self.kind is float and not math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"is {_shown(text)}; it must be {self.rule}")
        return value


def integer(low: float = -math.inf, high: float = math.inf) -> Number:
    """The type of an option that is a whole number; without bounds, who takes it has the rule."""
    return Number(int, low, high)


def real(low: float, high: float, *, above: bool = False) -> Number:
    """The type of an option that is a number, never infinite or NaN."""
    return Number(float, low, high, above)


@dataclass(frozen=True)
class Items:
    """Reads a list with commas between, each item by itself."""

    item: Callable[[str], object]
    example: str

    def __call__(self, text: str) -> list:
        parts = text.split(",")
        if not all(parts):
            raise argparse.ArgumentTypeError(f"is {_shown(text)}, not a list like {self.example}")
        try:
            return [self.item(part) for part in parts]
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(
                f"has an item that {error}; write a list like {self.example}") from None


def integers(low: int, high: int, example: str) -> Items:
    """The type of an option that is a list of whole numbers."""
    return Items(integer(low, high), example)


def file_path(text: str) -> Path:
    """Reads the name of a file or a folder; an empty one would mean the current folder."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"is {_shown(text)}; it must be a path")
    return Path(text)


def word(text: str) -> str:
    """Reads a name, which is never empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"is {_shown(text)}; it must be a name")
    return text


def array_size(text: str) -> tuple[int, int]:
    """Reads an array's rows and columns, such as 4x8."""
    rows, cross, cols = text.partition("x")
    if not cross:
        raise argparse.ArgumentTypeError(f"is {_shown(text)}; it must be ROWSxCOLS, such as 4x8")
    return integer(1, 32)(rows), integer(1, 32)(cols)


#: What any generator of random numbers here starts from.
SEED = integer(0, 2 ** 32 - 1)
#: Parts that a network is cut into; the widths of its layers say what else they must be.
PARTITIONS = integer(1, 4096)
#: Images to run; a data set says how many there are.
IMAGES = integer(1, 10_000)
#: Processes or threads at a time.
JOBS = integer(1, 256)


@contextmanager
def given(option: str, value: object) -> Iterator[None]:
    """Let errors of what is checked within begin with the option that is at fault."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{option} is {_shown(str(value))}: {error}") from None


def nearest(wrong: str, known: Iterable[str]) -> str:
    """The end of a message that refuses a name: "; did you mean 'fc1'?", or nothing."""
    likeness = {name: SequenceMatcher(None, wrong.lower(), name.lower()).ratio() for name in known}
    best = max(likeness, key=lambda name: likeness[name])
    return f"; did you mean {best!r}?" if likeness[best] >= 0.6 else ""
