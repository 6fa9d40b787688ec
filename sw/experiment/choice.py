"""What a command line chooses to run: a network, and images for it."""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw.support.text import printable
from sw.images.dataset import read_labels
from sw.images.preparation import Preparation
from sw.networks.naming import Kind, Origin, is_callable, origin_of
from sw.networks.opening import runs_code
from sw.terminal.options import MORE, attribute

__all__ = ["Choice", "choice_from_arguments"]

#: Options of a user's own network -> one that comes with it and takes them, too.
_TAKES = {"--weights": "tinyvgg16", "--data": "tinyvgg16-slim"}


@dataclass(frozen=True)
class Choice:
    """A network, its `data` and `calibration` images, where there are some, `labels`, the names of
    its outputs, the `preparation` of images, of which options `asked` for some, and whether its
    integers are to have no zero points (`symmetric`)."""

    origin: Origin
    data: Path | None = None
    calibration: Path | None = None
    labels: tuple[str, ...] | None = None
    preparation: Preparation = field(default_factory=Preparation)
    asked: frozenset[str] = frozenset()
    symmetric: bool = False


def choice_from_arguments(args: argparse.Namespace) -> Choice:
    """What a command's options of `NETWORK` and `DATA` choose; says on stderr whose code it is to
    run.

    Raises
    ------
    OSError
        If a file or a folder is not there.
    ValueError
        If options do not go together.
    """
    given: dict[str, Any] = {name: getattr(args, name, None)
                             for name in map(attribute, MORE)}
    origin = origin_of(args.network, weights=given["weights"], in_shape=given["input_shape"])
    if origin.ours:
        _check_ours(origin.text, given)
    else:
        _check_own(origin, given)
    if text := runs_code(origin):
        print(printable(text), file=sys.stderr, flush=True)
    for option in ("data", "calibration"):
        place = given[option]
        if place is not None and is_callable(str(place)):
            print(printable(f"running {str(place).rpartition(':')[0]}, as --{option} asks for"),
                  file=sys.stderr, flush=True)
    labels = read_labels(given["labels"]) if given["labels"] is not None else None
    prepared: dict[str, Any] = {
        "size": given["size"], "crop": given["crop"], "order": given["channels"]}
    prepared |= {name: tuple(given[name] or ()) or None for name in ("mean", "deviation")}
    prepared = {name: value for name, value in prepared.items() if value is not None}
    return Choice(origin, given["data"], given["calibration"], labels, Preparation(**prepared),
                  frozenset(prepared), bool(given["symmetric"]) or
                  bool(getattr(args, "array__zero_skip", False)))  # which skips 0 alone


def _check_ours(name: str, given: dict) -> None:
    """Refuse options of a user's network where one is named that comes with it."""
    for option in MORE:
        which = _TAKES.get(option)
        if given[attribute(option)] is None or name == which:
            continue
        if which is None:
            raise ValueError(f"{option} goes with a network of your own; {name} has its own")
        raise ValueError(f"{option} goes with --network {which}, or one of your own")


def _check_own(origin: Origin, given: dict) -> None:
    """Look whether what is named is there, before anything is run."""
    files = [given["weights"]]
    if not is_callable(origin.text):
        files.append(Path(origin.text))
    elif (place := origin.text.rpartition(":")[0]).endswith(".py"):
        files.append(Path(place))
    for path in files:
        if path is not None:
            path.open("rb").close()
    for place in (given["data"], given["calibration"]):
        if place is not None and not is_callable(str(place)):
            place.stat()
    if origin.kind is Kind.CALLABLE and origin.in_shape is None:
        raise ValueError(f"--network {origin.text} needs the shape of one image: --input-shape, "
                         "such as 3x224x224")
