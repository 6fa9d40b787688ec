"""A callable of a file or a module of Python that the user names: it alone is run."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

from hw.support.arguments import nearest

__all__ = ["CallableError", "called", "find_callable"]


class CallableError(ValueError):
    """A callable that is not there or fails; the message names the file, the line and why."""


def find_callable(text: str) -> Callable[..., Any]:
    """Run a file, or import a module, and return the callable that a text names in it.

    Parameters
    ----------
    text : FILE.py:callable or package.module:callable

    Raises
    ------
    OSError
        If the file cannot be read.
    CallableError
    """
    place, _, name = text.rpartition(":")
    module = _run_file(Path(place)) if place.endswith(".py") else _import(place)
    try:
        found = reduce(getattr, name.split("."), module)
    except AttributeError:
        known = [x for x, y in vars(module).items() if callable(y) and not x.startswith("_")]
        raise CallableError(f"{place} has no {name!r}" + nearest(name, known)) from None
    if not callable(found):
        raise CallableError(f"{text} is {_article(found)}; it must be a callable")
    return found


def called(text: str, found: Callable[..., Any], *arguments: Any) -> Any:
    """What a callable gives.

    Raises
    ------
    CallableError
        If it fails, whatever with.
    """
    try:
        return found(*arguments)
    except (Exception, SystemExit) as error:
        raise _failed(text, error) from error


def _run_file(path: Path) -> Any:
    path.open("rb").close()  # for an error with its name if it cannot be read
    folder, name = str(path.resolve().parent), f"partita_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if folder not in sys.path:
        sys.path.append(folder)  # for what it imports from beside it
    sys.modules[name] = module
    called(str(path), spec.loader.exec_module, module)
    return module


def _import(place: str) -> Any:
    if "" not in sys.path:
        sys.path.append("")  # as `python -m` has it, whichever program this is
    try:
        return importlib.import_module(place)
    except (Exception, SystemExit) as error:
        raise _failed(place, error) from error


def _failed(text: str, error: BaseException) -> CallableError:
    """The error of a user's code, with the innermost line that is in no library's."""
    frames = traceback.extract_tb(error.__traceback__)
    here = str(Path(__file__).parent)
    own = [f for f in frames if not f.filename.startswith((here, "<", sys.base_prefix))
           and "site-packages" not in f.filename]
    where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    said = (str(error).splitlines() or [""])[0]
    return CallableError(f"{text}: {type(error).__name__}{': ' * bool(said)}{said}{where}")


def _article(value: object) -> str:
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}"
