"""How errors become exit codes: 0 ok, 1 failed check, 2 usage, 3 missing tool, 4 does not fit.

An exception class that has its own code carries it as `exit_code`; ValueError is a usage error.
"""

import os
import sys
from collections.abc import Callable

from .console import printable, show_everything

__all__ = ["ToolMissingError", "exit_code"]


class ToolMissingError(RuntimeError):
    """A program that is needed is not installed; the message says how to get it."""

    exit_code = 3


def exit_code(run: Callable[[list[str]], int], argv: list[str], program: str) -> int:
    """Call `run(argv)` and turn its typed errors into a line on stderr and an exit code.

    Anything else is a bug and keeps its traceback.
    """
    show_everything()
    try:
        return run(argv)
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone; keep Python from complaining again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        code = getattr(error, "exit_code", 2 if isinstance(error, ValueError) else None)
        if code is None:
            raise
        print(f"{program}: error: {printable(str(error))}", file=sys.stderr)
        return code
