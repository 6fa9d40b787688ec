"""Command-line options for every configuration field, shared by the commands."""

import argparse
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from typing import Any

from hw.support.arguments import integer

from .config import CORES, PRESETS, ArrayConfig, BufferConfig, Config, PortConfig

__all__ = ["JSON", "add_config_arguments", "as_options", "changed_config", "changed_fields",
           "config_from_arguments", "contradiction", "differing_options", "named_by_option"]

#: The option --json of every command.
JSON: dict[str, Any] = {"action": "store_true", "help": "JSON alone on stdout"}

#: Option -> (path in `Config.replace`, type, help).
_FIELDS = {
    "--core": ("core", str, "what an instance is: pipelined, or microcoded, for small devices"),
    "--instances": ("instances", int, "identical instances, 1 to 32"),
    "--rows": ("array__rows", int, "input channels multiplied per cycle, 1 to 32"),
    "--cols": ("array__cols", int, "output channels accumulated per cycle, 1 to 32"),
    "--post-lanes": ("array__post_lanes", int, "channels requantised per cycle; divides rows and "
                     "cols; 0 takes the most"),
    "--zero-skip": ("array__zero_skip", bool, "skip inputs that are zero"),
    "--tables": ("array__tables", bool, "functions of one value, as tables behind requantisation"),
    "--act-words": ("buffers__act_words", int, "activation memory, in words of `rows` bytes"),
    "--acc-depth": ("buffers__acc_depth", int, "pixels in an accumulator bank"),
    "--weight-fifo-beats": ("buffers__weight_fifo_beats", int, "beats of weights fetched ahead"),
    "--queue-depth": ("buffers__queue_depth", int, "instructions queued before each unit"),
    "--log-entries": ("buffers__log_entries", int, "layers whose counters are kept"),
    "--memory": ("port__memory", str, "one port for all instances (shared) or one each (private)"),
    "--port-bytes": ("port__bytes", int, "bytes per cycle of a memory port"),
    "--burst-beats": ("port__burst_beats", int, "longest burst"),
    "--address-bits": ("port__address_bits", int, "external memory addressed, 2^N bytes"),
}
_CHOICES = {"--memory": ("shared", "private"), "--core": CORES}


def add_config_arguments(parser: argparse.ArgumentParser, *, preset: str | None = "default",
                         only: Iterable[str] = tuple(_FIELDS)) -> None:
    """Add an option for each field of `Config`, and `--preset`.

    Parameters
    ----------
    preset : the preset where nobody says; None for no such option
    only : options of these fields
    """
    group = parser.add_argument_group("accelerator")
    if preset:
        group.add_argument("--preset", choices=tuple(PRESETS), default=preset,
                           help=f"start from this configuration (default {preset})")
    for option in only:
        path, kind, text = _FIELDS[option]
        choices = _CHOICES.get(option)
        if kind is bool:
            group.add_argument(option, dest=path, action="store_true", default=None, help=text)
            continue
        group.add_argument(option, dest=path, type=integer() if kind is int else kind,
                           default=None, choices=choices,
                           metavar=None if choices else "N", help=text)


def config_from_arguments(args: argparse.Namespace) -> Config:
    """Return the preset with the given fields changed.

    Raises
    ------
    ValueError
        Naming the option, its value and the rule.
    """
    return changed_config(PRESETS[args.preset], args)


def changed_config(config: Config, args: argparse.Namespace) -> Config:
    """Return a configuration with the given fields changed; raises as `config_from_arguments`."""
    changes = changed_fields(args)
    # The lanes that a preset derived from its array follow a changed array.
    if {"array__rows", "array__cols"} & set(changes):
        changes.setdefault("array__post_lanes", 0)
    with named_by_option():
        return config.replace(**changes)


def changed_fields(args: argparse.Namespace) -> dict:
    """The fields that options change, for `Config.replace`."""
    given = {path: getattr(args, path, None) for path, _, _ in _FIELDS.values()}
    return {path: value for path, value in given.items() if value is not None}


def as_options(args: argparse.Namespace) -> list[str]:
    """The configuration's options that were given, to be typed again."""
    found: list[str] = []
    for option, (path, kind, _) in _FIELDS.items():
        value = getattr(args, path, None)
        if value is not None:
            found += [option] if kind is bool else [option, str(value)]
    return found


def differing_options(config: Config, base: Config) -> list[str]:
    """The options that make a configuration of another, to be typed."""
    found: list[str] = []
    for option, (path, kind, _) in _FIELDS.items():
        value, was = (reduce(getattr, path.split("__"), x) for x in (config, base))
        if value != was and (kind is not bool or value):
            found += [option] if kind is bool else [option, str(value)]
    return found


def contradiction(config: Config, args: argparse.Namespace) -> str | None:
    """The first option that asks for something else than a configuration is, in words; or None."""
    for option, (path, _, _) in _FIELDS.items():
        asked, has = getattr(args, path), reduce(getattr, path.split("__"), config)
        if asked not in (None, has):
            return f"{option} is {asked}, not {has}"
    return None


@contextmanager
def named_by_option(others: Mapping[str, str] | None = None) -> Iterator[None]:
    """Let errors of a `Config` that is made within speak of options instead of its fields.

    Parameters
    ----------
    others : field, as errors name it -> option, where a command has another than this file's
    """
    names = {path.replace("__", "."): option for option, (path, _, _) in _FIELDS.items()}
    names |= others or {}
    try:
        yield
    except ValueError as error:
        if type(error) is not ValueError:
            raise  # which says itself what it means
        # A field of a group is known by its dot; "core" and "instances" are words as well.
        text = re.sub(r"\b\w+\.\w+\b", lambda m: names.get(m[0], m[0]), str(error))
        text = re.sub(r"^\w+(?= is )", lambda m: names.get(m[0], m[0]), text)
        text = text.replace("with core '", "with --core '")
        raise ValueError(text) from None


def _covered() -> set[str]:
    return {path for path, _, _ in _FIELDS.values()}


assert _covered() == {"instances", "core"} | {
    f"{group}__{f.name}" for group, c in (("array", ArrayConfig), ("buffers", BufferConfig),
                                          ("port", PortConfig)) for f in dataclasses.fields(c)}
