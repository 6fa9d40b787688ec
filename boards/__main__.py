"""Build for, flash and run on boards with open toolchains.

    python -m boards list                        boards, and what fits them
    python -m boards doctor                      what is missing here, each with its fix
    python -m boards build ulx3s                 a bitstream, from PyPI packages alone
    python -m boards flash ulx3s                 into the FPGA (--flash: to stay)
    python -m boards run ulx3s --port /dev/ttyUSB0 --network digits
    python -m boards run ulx3s --virtual --network digits   the same, on a simulated board
    python -m boards table                       build every board, a row for each

`python -m boards COMMAND --help` explains each.

Exit codes: 0 ok, 1 failed, 2 usage, 3 a tool is missing, 4 does not fit the board, 5 input or
output failed, 130 interrupted.
"""

import argparse
import json
import sys
from pathlib import Path

from rich.text import Text

from boards.flow.results import built
from hw.config import Config
from hw.fpga.estimate import quick_usage
from hw.options import add_config_arguments, changed_config, contradiction
from hw.support.arguments import IMAGES, PARTITIONS, SEED, Parser, file_path, given, integer, word
from hw.support.console import console
from hw.support.errors import exit_code
from hw.support.files import check_outputs
from sw.experiment.workload import NETWORKS, check_images

from .catalogue import BOARDS, Board, find

__all__ = ["main"]

_VIRTUAL_BAUD = 6_000_000


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _out(args: argparse.Namespace, board: Board) -> Path:
    """The folder of a board's build."""
    return getattr(args, "out", None) or Path("build", board.name)


def _list(args: argparse.Namespace) -> int:
    rows = []
    for board in BOARDS.values():
        usage = quick_usage(board.config)
        device = board.device
        rows.append({
            "name": board.name, "title": board.title, "device": device.name, "luts": device.luts,
            "dsps": device.dsps, "block_rams": device.block_rams, "memory": board.memory,
            "link": board.link, "clock_mhz": board.clock_mhz, "config": board.config.to_dict(),
            "dsps_used": usage.dsps, "block_rams_used": usage.block_rams,
            "built": (row := built(board)), "note": board.note,
            "fits": not (row["why"] if row else usage.lacks(device))})
    if args.json:
        print(json.dumps(rows, indent=1))
        return 0
    width = max(map(len, BOARDS)) + 2
    for board, row in zip(BOARDS.values(), rows, strict=True):
        lines = [f"{board.title}: {row['device']}, {row['luts']:,} LUTs, {row['dsps']} DSP blocks, "
                 f"{row['block_rams']} block RAMs",
                 f"memory: {board.memory}", f"link:   {board.link}, {board.baud:,} baud",
                 f"preset: {_preset(board, row)}",
                 *([f"note:   {board.note}"] if board.note else [])]
        for k, line in enumerate(lines):
            print(f"{board.name if k == 0 else '':{width}}{line}")
    return 0


def _preset(board: Board, row: dict) -> str:
    """The preset, and whether it fits: by its build, or by what is known without one."""
    what = f"{board.config.shape} at {board.clock_mhz:g} MHz"
    if done := row["built"]:
        return done["why"] or (
            f"{what}, built: {done['luts']:,} LUTs, {done['dsps']} DSP blocks, "
            f"{done['block_rams']} block RAMs, reaches {done['fmax_mhz']:g} MHz")
    return (f"{what}, {row['dsps_used']} DSP blocks and {row['block_rams_used']} block RAMs: "
            f"{'fits' if row['fits'] else 'does not fit'}, LUTs aside; not built yet")


def _doctor(args: argparse.Namespace) -> int:
    from boards.flow.doctor import examine
    findings = examine()
    if args.json:
        print(json.dumps([vars(f) for f in findings], indent=1))
    else:
        for f in findings:
            mark = "ok     " if f.ok else "MISSING"
            print(f"{mark}  {f.what:34} {f.found}")
            if not f.ok:
                print(f"         for {f.needed_for}: {f.fix}")
    return 0 if all(f.ok for f in findings) else 3


def _build(args: argparse.Namespace) -> int:
    from boards.flow.build import build
    board = find(args.board)
    out = _out(args, board)
    config = changed_config(board.config, args)
    result = build(board, config, out, say=_say)
    data = {"board": board.name, "config": config.shape,
            **vars(result.usage), "fmax_mhz": round(result.fmax_mhz, 2),
            "clock_mhz": result.clock_mhz, "bitstream": str(result.bitstream),
            "bytes": result.bytes, "seconds": round(result.seconds, 1)}
    if args.json:
        print(json.dumps(data, indent=1))
    else:
        u, d = result.usage, board.device
        print(f"{board.title}, {data['config']}: {u.luts:,} of {d.luts:,} LUTs, {u.dsps} of "
              f"{d.dsps} DSPs, {u.block_rams} of {d.block_rams} block RAMs; reaches "
              f"{result.fmax_mhz:.1f} MHz, runs at {result.clock_mhz:g}")
        print(f"wrote {result.bitstream} ({result.bytes:,} bytes) in {result.seconds:.0f} s; "
              f"next: python -m boards flash {board.name}")
    return 0


def _flash(args: argparse.Namespace) -> int:
    import shlex
    import subprocess

    from boards.flow.build import flash_command
    board = find(args.board)
    command = flash_command(board, _out(args, board), to_flash=args.flash)
    print(shlex.join(command))
    if args.dry_run:
        return 0
    return 1 if subprocess.run(command).returncode else 0


def _run(args: argparse.Namespace) -> int:
    from boards.host.run import run_network
    board = find(args.board)
    if args.virtual == (args.port is not None):
        raise ValueError("name the board's serial port with --port, or take --virtual")
    if args.virtual_baud and not args.virtual:
        raise ValueError("--virtual-baud goes with --virtual; a board has its own baud rate")
    if args.out and args.virtual:
        raise ValueError("--out, the build that a board holds, goes with --port")
    if args.virtual_baud and args.virtual_baud > board.most_baud:
        raise ValueError(f"--virtual-baud is {args.virtual_baud}; at {board.clock_mhz:g} MHz it "
                         f"must be at most {board.most_baud:,}")
    with given("--images", args.images):
        check_images(args.network, args.images)
    config = changed_config(board.config, args)
    if args.port:
        from boards.flow.build import load_manifest
        folder = _out(args, board)
        if (folder / "board.json").is_file():  # what was flashed decides
            config = Config.from_dict(load_manifest(folder, board)["config"])
            if other := contradiction(config, args):
                raise ValueError(f"{other} as in the build that the board holds, {folder}; leave "
                                 "the option out, or name another build with --out")
        else:
            _say(f"{folder} holds no build: taking the board to hold {config.shape}")
    with console(stderr=True).status(Text()) as status:
        done = run_network(
            board, config, network=args.network, form="dense" if args.dense else "pruned",
            partitions=args.partitions or max(board.partitions, config.instances),
            count=args.images, seed=args.seed, port=args.port,
            virtual_baud=args.virtual_baud or min(_VIRTUAL_BAUD, board.most_baud), say=_say,
            progress=lambda at, total: status.update(
                Text(f"{at:,} of {total:,} bytes")))
    wrong = sum(not image.ok for image in done.images)
    if args.json:
        print(json.dumps(done.to_json(), indent=1))
    else:
        for k, image in enumerate(done.images):
            label = "" if image.expected is None else f", is {image.expected}"
            print(f"image {k}: class {image.found}{label}; {image.cycles:,} cycles, "
                  f"{image.cycles / done.clock_mhz / 1000:.2f} ms at {done.clock_mhz:g} MHz; "
                  + ("bit-exact" if image.bit_exact else "DIFFERS from the golden model")
                  + {None: "", (): "; cycles as in simulation"}.get(
                      image.differences, "; CYCLES DIFFER from simulation:"))
            for line in (image.differences or ())[:8]:
                print(f"  {line}")
        print(f"{done.program_bytes:,} bytes loaded in {done.load_s:.1f} s; "
              f"{done.repeats} requests repeated")
    return 1 if wrong else 0


def _table(args: argparse.Namespace) -> int:
    from boards.flow.build import BUILD, build
    from boards.flow.results import RESULTS, add_row
    check_outputs(results=RESULTS)
    boards = [find(name) for name in args.boards or BOARDS]
    for board in boards:
        BUILD.check(_out(args, board))
    for board in boards:
        _say(f"-- {board.title}")
        try:
            result = build(board, board.config, _out(args, board), say=_say)
        except (RuntimeError, ValueError) as error:
            if getattr(error, "exit_code", None) not in (1, 4):
                raise
            add_row(board, None, str(error).splitlines()[0])
            continue
        add_row(board, result, "")
    return 0


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m boards", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, text: str, run, *, board: bool = True) -> Parser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        if board:
            sub.add_argument("board", type=word, help=f"one of {', '.join(BOARDS)}")
        return sub

    for name, text, run in (("list", "Boards, their devices, and the preset of each.", _list),
                            ("doctor", "Look for everything that boards need; say how to get "
                             "what is missing.", _doctor)):
        add(name, text, run, board=False).add_argument("--json", action="store_true")
    sub = add("build", "Make a bitstream with Yosys and nextpnr from PyPI.", _build)
    add_config_arguments(sub, preset=False)
    sub.add_argument("--out", type=file_path, metavar="FOLDER", help="default build/BOARD")
    sub.add_argument("--json", action="store_true")
    sub = add("flash", "Load a bitstream into the board with openFPGALoader.", _flash)
    sub.add_argument("--out", type=file_path, metavar="FOLDER",
                     help="of the build; default build/BOARD")
    sub.add_argument("--flash", action="store_true", help="into flash memory, to stay")
    sub.add_argument("--dry-run", action="store_true", help="print the command, do nothing")
    sub = add("run", "Run a network on a board, and check every layer against the golden model.",
              _run)
    add_config_arguments(sub, preset=False)
    sub.add_argument("--port", type=word, metavar="PATH",
                     help="serial port, such as /dev/ttyUSB0")
    sub.add_argument("--virtual", action="store_true",
                     help="a simulated board behind a pseudo-terminal")
    sub.add_argument("--virtual-baud", type=integer(300, 100_000_000), metavar="N",
                     help=f"of the simulated UART, in simulated time (default {_VIRTUAL_BAUD:,}, "
                     "or what the board's clock allows)")
    sub.add_argument("--network", choices=NETWORKS, default="digits")
    sub.add_argument("--dense", action="store_true", help="the network before pruning")
    sub.add_argument("--partitions", type=PARTITIONS, metavar="P",
                     help="default: as many as instances, or what makes digits fit the board")
    sub.add_argument("--images", type=IMAGES, default=1, metavar="N")
    sub.add_argument("--seed", type=SEED, default=1)
    sub.add_argument("--out", type=file_path, metavar="FOLDER",
                     help="the build that the board holds; default build/BOARD")
    sub.add_argument("--json", action="store_true")
    sub = add("table", "Build boards and write a row for each into the results.", _table,
              board=False)
    sub.add_argument("boards", nargs="*", type=word, help="default all")
    return parser


def _main(argv: list[str]) -> int:
    args = parser().parse_args(argv)
    return args.run(args)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(_main, sys.argv[1:] if argv is None else argv, "python -m boards")


if __name__ == "__main__":
    sys.exit(main())
