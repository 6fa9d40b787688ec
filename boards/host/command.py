"""Runs a network on a board as a command line asks for it, and prints what came of it."""

import argparse
import json
from collections.abc import Callable
from functools import partial

from boards.catalogue import VIRTUAL_BAUD, Board, find
from boards.deploy.bundle import read_bundle
from boards.deploy.task import NETWORK, Task, choice_as_asked, task_as_asked
from boards.flow.asked import check_place, out_folder, say
from boards.flow.fit import check_fit, check_memory
from boards.flow.held import built_here
from hw.config import Config
from hw.options import changed_config, contradiction, named_by_option
from hw.support.arguments import given
from hw.support.text import printable
from sw.experiment.choice import Choice
from sw.networks.names import check_images
from sw.terminal.options import MORE, attribute
from sw.terminal.progress import StepProgress

from .run import BoardRun, run_network

__all__ = ["run_as_asked"]

#: Options that say what runs; a bundle says it.
_WORK = ("--network", *MORE, "--dense", "--partitions", "--plan", "--images", "--seed")


def run_as_asked(args: argparse.Namespace) -> int:
    """Do what `boards run`'s arguments ask for, and return the exit code; errors are raised."""
    board = find(args.board)
    _check(args, board)
    bundle = read_bundle(args.bundle, board) if args.bundle else None
    asked = bundle or choice_as_asked(args)
    config, build = _config(args, board, bundle)
    with StepProgress() as progress:
        done = run_network(
            board, config, partial(_task, args, board, config, asked, progress.say), port=args.port,
            serial=args.serial, build=build, compare=args.compare,
            virtual_baud=args.virtual_baud or min(VIRTUAL_BAUD, board.most_baud),
            virtual_latency_s=(args.virtual_latency_ms or 0.0) / 1000, say=progress.say,
            tell=progress.update)
    if args.json:
        print(json.dumps(done.to_json(), indent=1))
    else:
        _print(done)
    return 0 if all(image.ok for image in done.images) else 1


def _check(args: argparse.Namespace, board: Board) -> None:
    """Refuse what does not go together."""
    check_place(args)
    if args.virtual_baud and not args.virtual:
        raise ValueError("--virtual-baud goes with --virtual; a board has its own baud rate")
    if args.virtual_latency_ms is not None and not args.virtual:
        raise ValueError("--virtual-latency-ms goes with --virtual; a board has its own adapter")
    if args.virtual and args.serial:
        raise ValueError("--serial goes with --port; a simulated board has a port of its own")
    if args.serial and args.port != "auto":
        raise ValueError("--serial goes with --port auto; a port that is named needs none")
    if args.out and args.virtual:
        raise ValueError("--out, the build that a board holds, goes with --port")
    if args.virtual_baud and args.virtual_baud > board.most_baud:
        raise ValueError(f"--virtual-baud is {args.virtual_baud}; at {board.clock_mhz:g} MHz it "
                         f"must be at most {board.most_baud:,}")
    for option in _WORK if args.bundle else ():
        value = getattr(args, attribute(option))
        if value is not None and value is not False:
            raise ValueError(f"{option} goes without --bundle, which has its "
                             "network and input")
    with given("--images", args.images):
        check_images(args.network or NETWORK, args.images or 1)


def _task(args: argparse.Namespace, board: Board, config: Config, asked: Choice | Task,
          say: Callable[[str], None]) -> Task:
    """What is to run: what is chosen, or a bundle."""
    if isinstance(asked, Task):
        check_memory(board, config, asked.program.name, asked.program.window_bytes)
        return asked
    return task_as_asked(args, asked, board, config, count=args.images or 1, say=say)


def _config(args: argparse.Namespace, board: Board, bundle: Task | None,
            ) -> tuple[Config, bytes | None]:
    """The configuration that the board holds, as far as that is known here, and the digest of its
    sources."""
    config, build = changed_config(board.config, args), None
    if bundle:
        config = bundle.program.config
        if other := contradiction(config, args):
            raise ValueError(f"{other} as in the bundle {args.bundle}; leave the option out, or "
                             "export for that configuration")
    if args.port:
        folder = out_folder(args, board)
        if known := built_here(folder, board):  # what was flashed decides
            if bundle and known[0] != config:
                raise ValueError(f"--bundle {args.bundle} is for {config.shape}, configuration "
                                 f"{config.digest[:8]}; the board holds the build {folder}, "
                                 f"{known[0].shape}, {known[0].digest[:8]}: export it again")
            config, build = known
            if other := contradiction(config, args):
                raise ValueError(f"{other} as in the build that the board holds, {folder}; leave "
                                 "the option out, or name another build with --out")
        else:
            say(f"{folder} holds no build: taking the board to hold {config.shape}")
    if build is None:
        with named_by_option():
            check_fit(board, config)
    return config, build


def _print(done: BoardRun) -> None:
    def named(number: int) -> str:
        return f"{number}, {printable(done.names[number])}" if done.names else str(number)

    for k, image in enumerate(done.images):
        label = "" if image.expected is None else f"; is {named(image.expected)}"
        simulated = ("" if image.differences is None else "; DIFFERS from simulation:"
                     if image.differences else "; cycles as in simulation")
        print(f"image {k}: class {named(image.found)}{label}; {image.cycles:,} cycles, "
              f"{image.cycles / done.clock_mhz / 1000:.2f} ms at {done.clock_mhz:g} MHz; "
              + ("bit-exact" if image.bit_exact else "DIFFERS from the golden model") + simulated)
        for line in (*image.wrong, *(image.differences or ()))[:12]:
            print(f"  {line}")
    print(f"{done.program_bytes:,} bytes loaded in {done.load_s:.1f} s; "
          f"{done.repeats} requests repeated")
    if load := done.virtual_load:
        print(f"on the board's line of {load.baud:,} baud {load.seconds:.2f} s: {load.bytes:,} "
              f"bytes, and {load.waits} times {load.latency_ms:g} ms for an answer that nothing "
              "else was on its way behind")
