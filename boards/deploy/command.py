"""Exports a network for a board as a command line asks for it, and says what to type next."""

import argparse
import json
import shlex
from pathlib import Path

from boards.catalogue import Board, find
from boards.flow.asked import say
from boards.flow.fit import check_fit
from boards.flow.held import built_here
from hw.config import Config
from hw.options import changed_config, contradiction, named_by_option
from sw.compiler import Program

from .bundle import BUNDLE, write_bundle
from .task import choice_as_asked, task_as_asked

__all__ = ["export_as_asked"]


def export_as_asked(args: argparse.Namespace) -> int:
    """Do what `boards export`'s arguments ask for, and return the exit code; errors are raised."""
    board = find(args.board)
    BUNDLE.check(args.out)
    choice = choice_as_asked(args)
    config, built = _config(args, board)
    with named_by_option():
        check_fit(board, config)
    tell = _nothing if args.quiet else say
    task = task_as_asked(args, choice, board, config, count=1, store_all=not args.last_only,
                         say=tell)
    tell("writing")
    manifest = write_bundle(args.out, task, board)
    port = f"--port {board.port}" if built else "--virtual"
    following = (f"python -m boards run {board.name} --bundle {shlex.quote(str(args.out))} {port}")
    if args.json:
        print(json.dumps({"folder": str(args.out), **manifest, "next": following}, indent=1))
        return 0
    _print(args.out, task.program, board, manifest)
    print(f"next: {following}")
    return 0


def _nothing(text: str) -> None:
    pass


def _print(folder: Path, program: Program, board: Board, manifest: dict) -> None:
    print(f"{program.name} for the {board.title}, {program.config.shape}: "
          f"{manifest['image']['bytes']:,} bytes of weights and instructions, "
          f"{program.window_bytes:,} of {board.system(program.config).memory_bytes:,} bytes of "
          "memory")
    sources = shlex.join([str(folder / "partita.c"), str(folder / "example_serial.c")])
    print(f"wrote {len(manifest['written']) + 1} files into {folder}; for a host of your own: "
          f"cc -std=c99 -O2 -o run {sources}")


def _config(args: argparse.Namespace, board: Board) -> tuple[Config, bool]:
    """The configuration of the board's build, if there is one here; else the board's preset, as
    options change it; and whether there is a build."""
    folder = args.build or Path("build", board.name)
    known = built_here(folder, board)
    if known is None:
        if args.build:
            raise ValueError(f"--build {folder} holds no build; make it: python -m boards build "
                             f"{board.name} --out {folder}")
        return changed_config(board.config, args), False
    if other := contradiction(known[0], args):
        raise ValueError(f"{other} as in the build {folder}; leave the option out, or name another "
                         "build with --build")
    return known[0], True
