"""Reports that `sw.compare --json` or `--save` has written, read again."""

import dataclasses
import types
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from hw.support.reading import Field, FileFormatError, read_json

from .values import SCHEMA_NAME, SCHEMA_VERSION, Report

__all__ = ["ReportError", "read_report"]

#: The oldest version that holds what this one needs; newer fields take their defaults.
_OLDEST = 3
_MOST_BYTES = 1 << 27
_MOST, _LONGEST = 1 << 62, 1 << 16


class ReportError(FileFormatError):
    """A file that is no report, or one that this version cannot read."""


def read_report(path: Path | str) -> Report:
    """Read a report of this version or of one that it still knows.

    Raises
    ------
    ReportError
        Naming the file, the field, its value and what it must be.
    OSError
        If it cannot be read.
    """
    field = read_json(path, "a report of sw.compare", ReportError, most_bytes=_MOST_BYTES)
    if not field.has("schema") or field["schema"].value != SCHEMA_NAME:
        raise ReportError(f"{path}: not a report of sw.compare: it has no schema {SCHEMA_NAME!r}; "
                          "python -m sw.compare --save FILE writes one")
    version = field["version"].integer(1, 10 ** 6)
    if not _OLDEST <= version <= SCHEMA_VERSION:
        raise ReportError(f"{path}: is of version {version} and this reads {_OLDEST} to "
                          f"{SCHEMA_VERSION}: run again what its `command` says")
    report = _structured(field, Report)
    if not report.arms or report.images < 1:
        raise ReportError(f"{path}: has {len(report.arms)} arms and {report.images} images; there "
                          "must be 1 or more of both")
    return report


@cache
def _members(kind: type) -> dict[str, tuple[Any, bool]]:
    """Member -> its type, and whether it may be left out."""
    hints, none = get_type_hints(kind), dataclasses.MISSING
    return {f.name: (hints[f.name], f.default is not none or f.default_factory is not none)
            for f in dataclasses.fields(kind)}


def _structured(field: Field, kind: Any) -> Any:
    """A field's value as an annotated type, checked all the way down."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        try:
            return kind(**{name: _structured(field[name], inner)
                           for name, (inner, optional) in _members(kind).items()
                           if not optional or field.has(name)})
        except FileFormatError:
            raise
        except ValueError as error:  # a rule of the class itself
            raise ReportError(f"{field.file}: {field.name}: {error}") from None
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        return None if field.value is None else _structured(
            field, next(x for x in inner if x is not types.NoneType))
    if origin is tuple:
        return tuple(_structured(x, inner[0]) for x in field.items())
    if origin is dict:
        return {key: _structured(x, inner[1]) for key, x in field.entries().items()}
    if kind is dict:
        field.entries()
        return field.value
    if kind is int:
        return field.integer(0, _MOST)
    if kind is float:
        return field.number()
    return field.flag() if kind is bool else field.text(_LONGEST)
