"""Damages files of every kind that is read, and looks at what their loaders do with them.

    python -m tests.fuzz_loaders KIND... --count 10000 --seed 1

A loader returns, or raises its typed error with the file's name in it, within a second of
processor time and half a gigabyte. What does anything else is shown with the command that repeats
it. The kinds are those of `tests.support.fuzz_kinds`.
"""

import argparse
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.fuzz_kinds import KINDS, Kind
from tests.support.fuzz_mutate import mutate

__all__ = ["fuzz"]

_MOST_SECONDS, _MOST_BYTES = 1.0, 1 << 29


class TookTooLong(BaseException):
    """A loader that was stopped."""


@contextmanager
def _limits() -> Iterator[None]:
    """Stop what takes too much processor time or memory."""
    def stop(number, frame):
        raise TookTooLong(f"more than {_MOST_SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGVTALRM, stop)
    try:
        resource.setrlimit(resource.RLIMIT_AS,
                           (pages * resource.getpagesize() + _MOST_BYTES, before[1]))
        signal.setitimer(signal.ITIMER_VIRTUAL, _MOST_SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _try(kind: Kind, path: Path) -> str | None:
    """Load a file; what is wrong with how that went, or None."""
    try:
        with _limits(), warnings.catch_warnings():
            warnings.simplefilter("error")
            kind.load(path)
    except kind.error as error:
        if kind.names_file and path.name not in str(error):
            return f"does not name the file: {error}"
        return None
    except (Exception, TookTooLong) as error:
        return f"raises {type(error).__name__}: {error}"
    return None


def fuzz(name: str, count: int, seed: int, first: int = 0) -> list[str]:
    """Load `count` damaged files of a kind; returns failures, each with the command that
    repeats it."""
    kind = KINDS[name]
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = kind.make(Path(folder))
        raw = path.read_bytes()
        if (wrong := _try(kind, path)) is not None:
            return [f"the undamaged file {wrong}"]
        for number in range(first, first + count):
            path.write_bytes(mutate(random.Random(f"{name}/{seed}/{number}"), raw, kind.codec))
            if (wrong := _try(kind, path)) is not None:
                failures.append(f"{wrong[:300]}\n  python -m tests.fuzz_loaders {name} --seed "
                                f"{seed} --first {number} --count 1")
    return failures


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    args = parser.parse_args(argv)
    failed = False
    for name in args.kinds or KINDS:
        began = time.monotonic()
        failures = fuzz(name, args.count, args.seed, args.first)
        print(f"{name}: {len(failures)} of {args.count} fail "
              f"({time.monotonic() - began:.0f} s, seed {args.seed})")
        for failure in failures[:20]:
            print(f"  {failure}")
        failed |= bool(failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
