"""Checks a network as a command line asks for it, and tells what came of it."""

import argparse
import json
import shlex
from dataclasses import asdict, replace

from hw.config import PRESETS
from hw.options import as_options, changed_config, named_by_option
from hw.support.console import console
from hw.support.files import check_outputs
from sw.experiment.choice import choice_from_arguments
from sw.experiment.planned import plan_as_asked
from sw.terminal.console import deliver
from sw.terminal.options import MORE, as_typed
from sw.terminal.reads import files_read

from .facts import Facts, facts_of
from .printed import print_facts, verdict
from .targets import Target, find_target

__all__ = ["check_as_asked"]

_SCHEMA, _VERSION = "partita.check", 1
_CLOCK_MHZ = 100.0


def check_as_asked(args: argparse.Namespace, argv: list[str]) -> int:
    """Do what `sw.check`'s arguments ask for, and return the exit code; errors are raised."""
    target = _target(args)
    check_outputs(files_read(args), save=(args.save, _SCHEMA))
    choice = choice_from_arguments(args)
    plan = plan_as_asked(args, choice)
    notes = console(stderr=True)

    def say(text: str) -> None:
        if not args.quiet:
            notes.print(text, style="dim", highlight=False)

    facts = facts_of(choice, target, plan=plan, partitions=args.partitions, seed=args.seed,
                     say=say)
    following = _next(args, facts)
    data = _json(facts, argv, following)
    deliver(data, lambda: print_facts(facts, following, console(wide=True)),
            {args.save: lambda: data}, as_json=args.json, quiet=args.quiet)
    return 0 if facts.runs else 4 if facts.lacks else 1


def _target(args: argparse.Namespace) -> Target:
    """The machine that is meant, with the fields that options change."""
    if not args.board:
        preset = args.preset or "default"
        config = changed_config(PRESETS[preset], args)
        return Target(preset, f"the preset {preset}, {config.shape}", config,
                      _CLOCK_MHZ if args.clock_mhz is None else args.clock_mhz)
    if args.preset is not None:
        raise ValueError("--board and --preset name a machine each; leave one out")
    found = find_target(args.board)
    if args.clock_mhz is not None:
        raise ValueError(f"--clock-mhz goes without --board: the {found.title} has its own clock, "
                         f"{found.clock_mhz:g} MHz")
    config = changed_config(found.config, args)
    with named_by_option():
        found.rules(config)
    return replace(found, config=config)


def _json(facts: Facts, argv: list[str], following: str) -> str:
    data = asdict(facts)
    data["target"] = {"name": facts.target.name, "title": facts.target.title,
                      "clock_mhz": facts.target.clock_mhz,
                      "memory_bytes": facts.target.memory_bytes,
                      "config": facts.target.config.to_dict()}
    return json.dumps({"schema": _SCHEMA, "version": _VERSION, "verdict": verdict(facts),
                       "runs": facts.runs, "ms": facts.ms, **data,
                       "command": "python -m sw.check " + shlex.join(argv), "next": following},
                      indent=1) + "\n"


def _next(args: argparse.Namespace, facts: Facts) -> str:
    """What to type next."""
    network = [args.network, *as_typed(args, (*MORE, "--partitions", "--plan"))]
    machine = [*(["--board", args.board] if args.board else []),
               *(["--preset", args.preset] if args.preset else []),
               *as_options(args)]
    if facts.runs:
        if args.board:
            return shlex.join(["python", "-m", "boards", "run", args.board, "--virtual",
                               "--network", *network, *as_options(args)])
        log = ["--log-entries", str(facts.log_entries)] if facts.log_entries else []
        return shlex.join(["python", "-m", "sw.compare", "--network", *network, *machine, *log])
    check = ["python", "-m", "sw.check", *network]
    if any("(--tables)" in x.why for x in facts.obstacles):
        return shlex.join([*check, *machine, "--tables"])
    other = next((fit for fit in facts.fits if fit.fits), None)
    if other:
        return shlex.join([*check, "--board", other.name,
                           *(["--tables"] if args.array__tables else [])])
    return "python -m sw.check --help"
