"""Runs a network on a board as a command line asks for it, and prints what came of it."""

import argparse
import json

from rich.text import Text

from boards.catalogue import VIRTUAL_BAUD, Board, find
from boards.flow.asked import out_folder, say
from hw.config import Config
from hw.options import changed_config, contradiction
from hw.support.arguments import given
from hw.support.console import console
from hw.support.text import printable
from sw.experiment.choice import choice_from_arguments
from sw.networks.names import check_images

from .opening import built_here
from .run import BoardRun, run_network

__all__ = ["run_as_asked"]


def run_as_asked(args: argparse.Namespace) -> int:
    """Do what `boards run`'s arguments ask for, and return the exit code; errors are raised."""
    board = find(args.board)
    _check(args, board)
    config, build = _config(args, board)
    choice = choice_from_arguments(args)
    parts = max(board.partitions, config.instances) if choice.origin.ours else None
    with console(stderr=True).status(Text()) as status:
        done = run_network(
            board, config, network=choice, form="dense" if args.dense else "pruned",
            partitions=args.partitions or parts,
            count=args.images, seed=args.seed, port=args.port,
            serial=args.serial, build=build, compare=args.compare,
            virtual_baud=args.virtual_baud or min(VIRTUAL_BAUD, board.most_baud),
            virtual_latency_s=(args.virtual_latency_ms or 0.0) / 1000, say=say,
            progress=lambda at, total: status.update(
                Text(f"{at:,} of {total:,} bytes")))
    if args.json:
        print(json.dumps(done.to_json(), indent=1))
    else:
        _print(done)
    return 0 if all(image.ok for image in done.images) else 1


def _check(args: argparse.Namespace, board: Board) -> None:
    """Refuse what does not go together."""
    if args.virtual == (args.port is not None):
        raise ValueError("name the board's serial port with --port, or take --virtual")
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
    with given("--images", args.images):
        check_images(args.network, args.images)


def _config(args: argparse.Namespace, board: Board) -> tuple[Config, bytes | None]:
    """The configuration that the board holds, as far as that is known here, and the digest of its
    sources."""
    config, build = changed_config(board.config, args), None
    if args.port:
        folder = out_folder(args, board)
        if known := built_here(folder, board):  # what was flashed decides
            config, build = known
            if other := contradiction(config, args):
                raise ValueError(f"{other} as in the build that the board holds, {folder}; leave "
                                 "the option out, or name another build with --out")
        else:
            say(f"{folder} holds no build: taking the board to hold {config.shape}")
    return config, build


def _print(done: BoardRun) -> None:
    def named(number: int) -> str:
        return f"{number}, {printable(done.names[number])}" if done.names else str(number)

    for k, image in enumerate(done.images):
        label = "" if image.expected is None else f"; is {named(image.expected)}"
        simulated = ("" if image.differences is None else "; CYCLES DIFFER from simulation:"
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
