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

__all__ = ["Choice", "choice_from_arguments"]

#: Options that are of a user's own network alone, by the attribute that they are.
_OWN = {"input_shape": "--input-shape", "calibration": "--calibration", "labels": "--labels",
        "size": "--size", "crop": "--crop", "mean": "--mean", "deviation": "--deviation",
        "channels": "--channels"}
#: Networks that come with it -> an option that they take besides.
_TAKES = {"--weights": "tinyvgg16", "--data": "tinyvgg16-slim"}


@dataclass(frozen=True)
class Choice:
    """A network, its `data` and `calibration` images, where there are some, `labels`, the names of
    its outputs, and the `preparation` of images."""

    origin: Origin
    data: Path | None = None
    calibration: Path | None = None
    labels: tuple[str, ...] | None = None
    preparation: Preparation = field(default_factory=Preparation)


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
                             for name in ("weights", "data", "calibration", *_OWN)}
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
    return Choice(origin, given["data"], given["calibration"], labels,
                  Preparation(**{k: v for k, v in prepared.items() if v is not None}))


def _check_ours(name: str, given: dict) -> None:
    """Refuse options of a user's network where one is named that comes with it."""
    for attribute, option in _OWN.items():
        if given[attribute] is not None:
            raise ValueError(f"{option} goes with a network of your own; {name} has its own")
    for option, which in _TAKES.items():
        if given[option.removeprefix("--")] is not None and name != which:
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
