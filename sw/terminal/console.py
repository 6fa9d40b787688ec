"""What commands give: a result, as JSON or for people, and the files that were asked for."""

import sys
from collections.abc import Callable
from pathlib import Path

from hw.support.files import save_file
from hw.support.text import printable

__all__ = ["deliver"]


def deliver(result: str, show: Callable[[], None], files: dict[Path | None, Callable[[], str]], *,
            as_json: bool, quiet: bool = False) -> None:
    """Write a result's files, tell so on stderr, and print it; where a file cannot be written, it
    is printed as JSON, so that what took minutes is not lost.

    Parameters
    ----------
    result : as JSON
    show : prints it for people
    files : path, or None for one that nobody asked for -> function that makes its text
    as_json : print the JSON anyway
    quiet : do not tell of the files

    Raises
    ------
    OSError
        Of the first file that could not be written; the others have been.
    """
    failed: OSError | None = None
    for path, text in files.items():
        if path is not None:
            try:
                save_file(path, text())
            except OSError as error:
                failed = failed or error
                continue
            if not quiet:
                print(printable(f"wrote {path}"), file=sys.stderr, flush=True)
    if as_json or failed:
        print(result, end="" if result.endswith("\n") else "\n")
    else:
        show()
    if failed:
        raise failed
