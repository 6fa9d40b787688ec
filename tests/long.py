"""Which tests take long: `python -m tests.long` measures those that need neither a compiler nor
training, and writes `tests/long.txt`, by which they are marked `long`. Some minutes.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["Times", "long_tests", "main", "parser"]

LIST = Path(__file__).with_suffix(".txt")
#: Seconds of a processor, from which on a test is long.
LONG_S = 0.2


def function_of(nodeid: str) -> str:
    """A test's file and function, whatever its parameters."""
    return nodeid.split("[")[0]


def long_tests() -> frozenset[str]:
    """Files and functions of the tests that take long."""
    return frozenset(LIST.read_text().split("\n")) - {""}


class Times:
    """A plugin: how long the longest case of each function takes, in seconds of a processor."""

    def __init__(self) -> None:
        self.longest: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Measure a test, its fixtures, and the programs that it runs."""
        before = sum(os.times()[:4])
        try:
            return (yield)
        finally:
            name = function_of(item.nodeid)
            self.longest[name] = max(self.longest.get(name, 0.0), sum(os.times()[:4]) - before)


def parser() -> argparse.ArgumentParser:
    """The command's options: none."""
    return argparse.ArgumentParser(prog="python -m tests.long", description=__doc__)


def main(argv: list[str] | None = None) -> int:
    """Measure, and write the list; what fails is shown, and leaves it as it is."""
    parser().parse_args(argv)
    times = Times()
    code = pytest.main(["-q", "-m", "not slow and not builds and not trains"], plugins=[times])
    if code == 0:
        LIST.write_text("".join(f"{name}\n" for name, taken in sorted(times.longest.items())
                                if taken > LONG_S))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
