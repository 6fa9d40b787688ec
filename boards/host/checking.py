"""Checks a board as a command line asks for it, prints what came of it, and fills in the form."""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

from boards.catalogue import VIRTUAL_BAUD, Board, find
from boards.flow.asked import check_place, out_folder, say
from boards.flow.held import built_here
from boards.usb.devices import NoBoard, find_device, find_port, usb_devices
from boards.virtual.board import VIRTUAL_TIMEOUT_S, VirtualBoard, VirtualPort
from boards.virtual.chip import FAULTS, Faults
from hw.config import Config
from hw.support.files import check_outputs, save_file
from hw.support.text import printable

from .causes import silence
from .check import Finding, Scope, check_board
from .client import SerialBackend, SerialTransport, open_port
from .clock import Interval, find_clock
from .errors import BoardMismatch, LinkTimeout
from .session import Port

__all__ = ["check_as_asked"]

#: What a simulated board is asked for: it is some hundred times slower, and its chip forgets after
#: 64 ms without refresh.
_VIRTUAL_SCOPE = Scope(link_bytes=4096, blocks=6, retention_s=0.07, clock_s=0.05)
#: After which an answer of a simulated board that loses some is lost, of its own time.
_LOST_S = 0.004


def check_as_asked(args: argparse.Namespace) -> int:
    """Do what `boards check`'s arguments ask for, and return the exit code; errors are raised."""
    board = find(args.board)
    check_place(args)
    if args.inject and not args.virtual:
        raise ValueError("--inject goes with --virtual: only a simulated board can be broken so")
    if args.inject and FAULTS[args.inject].of_memory and not board.sdram:
        raise ValueError(f"--inject {args.inject} breaks an SDRAM; the {board.title} has none")
    for option in ("serial", "whole", "out") if args.virtual else ():
        if getattr(args, option):
            raise ValueError(f"--{option} goes with --port, a board that is plugged in")
    if args.serial and args.port != "auto":
        raise ValueError("--serial goes with --port auto; a port that is named needs none")
    check_outputs(report=(args.report, None))
    if args.report and args.report.is_file() and args.report.stat().st_size:
        raise ValueError(f"--report {args.report} is there, and may have been filled in; name "
                         "another file, or move it away")
    known = None if args.virtual else built_here(out_folder(args, board), board)
    config, build = known or (board.config, None)
    if known is None and not args.virtual:
        say(f"{out_folder(args, board)} holds no build: taking the board to hold {config.shape}")
    scope = _VIRTUAL_SCOPE if args.virtual else Scope(blocks=None if args.whole else 128)
    findings = []
    for finding in _findings(args, board, config, build, scope):
        findings.append(finding)
        if not args.json:
            print(f"{'ok    ' if finding.ok else 'BROKEN'}  {finding.what:13} {finding.found}",
                  flush=True)
    good = all(f.ok for f in findings)
    if args.json:
        print(json.dumps({"board": board.name, "ok": good,
                          "findings": [f.to_json() for f in findings]}, indent=1))
    else:
        print(_sum_up(board, findings, args.virtual))
    if args.report:
        save_file(args.report, _form(args, board, findings))
        say(f"wrote {args.report}: add what only you can see, and send it, please")
    return 0 if good else 1


def _findings(args: argparse.Namespace, board: Board, config: Config, build: bytes | None,
              scope: Scope) -> Iterator[Finding]:
    with ExitStack() as stack:
        if args.virtual:
            place = stack.enter_context(_virtual(board, config, FAULTS.get(args.inject)))
        else:
            place = _plugged_in(find_port(board, args.port, args.serial), board.baud)
        yield from _look(place, board, config, build, scope, args.port or "")


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a board is.

    Members
    -------
    path : of its port
    baud : at which what is on the line takes its time
    connect : opens it at a baud rate
    patience : how a `SerialBackend` waits for its answers
    searching : and how, while its baud rate is looked for
    sleep : lets so many seconds pass, as `now` tells them
    """

    path: str
    baud: int
    connect: Callable[[int], Port]
    patience: dict
    searching: dict
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], float] = time.perf_counter


def _look(place: _Place, board: Board, config: Config, build: bytes | None, scope: Scope,
          asked_for: str) -> Iterator[Finding]:
    """Connect, and look at one thing after another."""
    with closing(place.connect(board.baud)) as transport:
        try:
            link = SerialBackend(config, transport, baud=place.baud, **place.patience)
        except BoardMismatch as error:
            yield Finding("identity", False, str(error))
            return
        except LinkTimeout:
            link = None
        if link:
            yield from check_board(board, config, link, scope, build=build, sleep=place.sleep,
                                   clock=place.now)
            return
    say("no answer; trying other baud rates")
    interval = Interval(seconds=scope.clock_s, sleep=place.sleep, now=place.now)
    found = find_clock(place.connect, board, config, interval, **place.patience | place.searching)
    yield Finding("clock" if found else "link", False, found or (
        f"no answer at {place.path}. The likeliest first: "
        f"{silence(board, place.path, asked_for)}"))


def _plugged_in(path: str, baud: int) -> _Place:
    return _Place(path=path, baud=baud, connect=partial(open_port, path), patience={},
                  searching={"timeout_s": 0.1, "greetings": 4})


@contextmanager
def _virtual(board: Board, config: Config, faults: Faults | None) -> Iterator[_Place]:
    """A simulated board, and what is broken about it. One that is broken loses answers, which are
    waited for in its own time."""
    system = board.system(config, baud=min(VIRTUAL_BAUD, board.most_baud), powerup_us=5.0)
    with VirtualBoard(system, say, faults=faults) as chip, \
            VirtualPort(chip, restless=faults is not None) as pseudo:
        def connect(baud: int) -> SerialTransport:
            chip.talk_at(baud / board.baud)
            return open_port(pseudo.path, board.baud)

        patience = {"timeout_s": VIRTUAL_TIMEOUT_S} if faults is None else {
            "timeout_s": _LOST_S, "clock": lambda: chip.seconds, "greetings": 2}
        yield _Place(path=pseudo.path, baud=round(1e6 * system.clock_mhz / system.clocks_per_bit),
                     connect=connect, patience=patience, searching={},
                     sleep=pseudo.let_pass, now=lambda: chip.seconds)


def _sum_up(board: Board, findings: list[Finding], virtual: bool) -> str:
    broken = [f for f in findings if not f.ok]
    if broken:
        return f"{board.title}: begin with what is broken first, {broken[0].what}; the rest follows"
    return (f"{board.title}: in order; next: python -m boards run {board.name} "
            + ("--virtual" if virtual else f"--port {board.port}"))


def _form(args: argparse.Namespace, board: Board, findings: list[Finding]) -> str:
    """The form of ten lines for whoever tries a board; what a program cannot see is left open."""
    device = "simulated" if args.virtual else "not known"
    try:
        if not args.virtual and (devices := usb_devices()) is not None:
            device = printable(str(find_device(board, devices, args.serial)))
    except NoBoard as error:
        device = printable(str(error))
    results = "; ".join(f"{f.what}: {'ok' if f.ok else 'BROKEN'}, {f.found}" for f in findings)
    lines = (
        ("Partita's board", f"{board.title} ({board.device.name})"),
        ("on USB", device),
        ("system", f"{platform.platform()}, Python {platform.python_version()}"),
        ("when", time.strftime("%Y-%m-%d %H:%M")),
        ("check", results),
        ("revision printed on the board", "?"),
        ("memory chip, as printed", "?" if board.sdram else "none"),
        ("how it was flashed, and what that said", "?"),
        ("lights while it ran", "?"),
        ("remarks", "?"))
    return "".join(f"{name}: {value}\n" for name, value in lines)

