"""What `python -m boards` does without a board at hand: tells, builds, flashes."""

import argparse
import json
import shlex
import sys

from boards.catalogue import BOARDS, Board, find
from boards.usb.devices import (
    NoBoard,
    check_alone,
    find_device,
    sees_all_devices,
    usb_devices,
)
from hw.fpga.estimate import quick_usage
from hw.options import changed_config
from hw.support.arguments import given
from hw.support.files import check_outputs
from sw.experiment.choice import choice_from_arguments
from sw.experiment.planned import plan_as_asked
from sw.networks.shapes import shape_graph
from sw.terminal.options import NETWORK, attribute

from .asked import out_folder, say
from .build import BUILD, build
from .doctor import examine, udev_rules
from .fit import check_network
from .programmer import checked_bitstream, flash_command, program
from .results import RESULTS, add_row, built, stale

__all__ = ["WORK"]

#: Options of `build` that say more of --network.
_OF_NETWORK = (*NETWORK[2:], "--partitions", "--plan")


def _list(args: argparse.Namespace) -> int:
    rows = []
    for board in BOARDS.values():
        usage = quick_usage(board.config)
        device = board.device
        rows.append({
            "name": board.name, "title": board.title, "device": device.name, "luts": device.luts,
            "dsps": device.dsps, "block_rams": device.block_rams, "memory": board.memory,
            "link": board.link, "clock_mhz": board.clock_mhz, "config": board.config.to_dict(),
            "network": board.network, "partitions": board.partitions, "prune": board.prune,
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
                 f"preset: {_preset(board, row)}", f"runs:   {_runs(board)}",
                 *([f"note:   {board.note}"] if board.note else [])]
        for k, line in enumerate(lines):
            print(f"{board.name if k == 0 else '':{width}}{line}")
    return 0


def _runs(board: Board) -> str:
    """What runs on a board with its preset."""
    parts = board.parts(board.config)
    which = "" if board.prune == "fc" else "all layers but the first and the last "
    return f"{board.network}, {which}pruned to {parts} partitions; not tried on hardware yet"


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
    if args.udev_rules:
        print(udev_rules(), end="")
        return 0
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
    board = find(args.board)
    out = out_folder(args, board)
    config = changed_config(board.config, args)
    for option in () if args.network else _OF_NETWORK:
        if getattr(args, attribute(option)) is not None:
            raise ValueError(f"{option} goes with --network, which names what is looked at")
    if args.network:
        choice = choice_from_arguments(args)
        origin = choice.origin
        parts, prune = board.cut(origin.text, config) if origin.ours else (1, "fc")
        plan = plan_as_asked(args, choice)
        with given("--partitions", args.partitions or parts):
            graph = shape_graph(origin.text if origin.ours else origin, prune,
                                args.partitions or parts, plan)
        needs = check_network(board, config, graph)
        say(f"{origin.name} fits: {needs:,} bytes of memory")
    result = build(board, config, out, say=say)
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
    board = find(args.board)
    bitstream = checked_bitstream(board, out_folder(args, board))
    mode = _mode(board, args.flash)
    device, devices = None, usb_devices()
    if mode == "dfu":
        check_alone(board, devices or [], bitstream)
    if devices is not None:
        try:
            device = find_device(board, devices, args.serial)
        except NoBoard:
            unseen = mode == "dfu" and not sees_all_devices()
            if args.serial or not (args.dry_run or unseen):
                raise
    command = flash_command(board, bitstream, mode=mode, device=device,
                            extra=tuple(args.options or ()))
    print(shlex.join(command), flush=True)
    if args.dry_run:
        return 0

    def show(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()

    program(board, command, show)
    print(f"{board.title}: loaded into {_PLACES[mode]}; next: {_next(board)}")
    return 0


#: Mode -> where the bitstream then is.
_PLACES = {"ram": "the FPGA, until power is off", "flash": "flash memory, to stay",
           "dfu": "flash memory, to stay, by the board's bootloader"}


def _mode(board: Board, to_flash: bool) -> str:
    """Where a bitstream goes: the board's first place, or flash memory."""
    if to_flash and "flash" in board.modes:
        return "flash"
    if not to_flash and board.modes[0] != "ram":
        say(f"the {board.title} is loaded through its flash memory only: what is there is replaced")
    return board.modes[0]


def _next(board: Board) -> str:
    first = "plug it out and in again, then " if "dfu" in board.modes else ""
    return f"{first}python -m boards check {board.name} --port {board.port}"


def _table(args: argparse.Namespace) -> int:
    boards = [find(name) for name in args.boards or BOARDS]
    if args.check:
        old = {board.name: why for board in boards if (why := stale(board))}
        for name, why in old.items():
            print(f"{name}: {why}")
        return 1 if old else 0
    check_outputs(results=(RESULTS, None))
    for board in boards:
        BUILD.check(out_folder(args, board))
    for board in boards:
        say(f"-- {board.title}")
        try:
            result = build(board, board.config, out_folder(args, board), say=say)
        except (RuntimeError, ValueError) as error:
            if getattr(error, "exit_code", None) not in (1, 4):
                raise
            add_row(board, None, str(error).splitlines()[0])
            continue
        add_row(board, result, "")
    return 0


#: Command -> what it does with its arguments; returns the exit code.
WORK = {"list": _list, "doctor": _doctor, "build": _build, "flash": _flash, "table": _table}
