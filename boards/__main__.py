"""Build for, flash and run on boards with open toolchains.

    python -m boards list                        boards, and what fits them
    python -m boards doctor                      what is missing here, each with its fix
    python -m boards build ulx3s-25f             a bitstream, from PyPI packages alone
    python -m boards flash ulx3s-25f             into the FPGA (--flash: to stay)
    python -m boards check ulx3s-25f --port auto   is the board in order? says what is not
    python -m boards run ulx3s-25f --port auto   digits on the board, checked layer by layer
    python -m boards run ulx3s-25f --virtual     the same, on a simulated board
    python -m boards export ulx3s-25f --out deploy   digits, with a driver in C, to deploy
    python -m boards margins ulx3s-25f           for which delays the SDRAM works, in simulation
    python -m boards table                       build every board, a row for each

`python -m boards COMMAND --help` explains each.

Exit codes: 0 ok, 1 failed, 2 usage, 3 a tool is missing, 4 does not fit the board, 5 input or
output failed, 130 interrupted.
"""

import sys

from hw.options import add_config_arguments
from hw.support.arguments import Parser, file_path, integer, real, word
from hw.support.errors import exit_code
from hw.support.interrupts import importing
from sw.terminal.options import DATA, NETWORK, add_options

from .catalogue import BOARDS, VIRTUAL_BAUD
from .virtual.chip import FAULTS

__all__ = ["main", "parser"]


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m boards", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, text: str, *, board: bool = True) -> Parser:
        sub = commands.add_parser(name, help=text, description=text)
        if board:
            sub.add_argument("board", type=word, help=f"one of {', '.join(BOARDS)}")
        return sub

    for name, text in (("list", "Boards, their devices, and the preset of each."),
                       ("doctor", "Look for everything that boards need; say how to get what is "
                        "missing.")):
        sub = add(name, text, board=False)
        add_options(sub, "--json")
        if name == "doctor":
            sub.add_argument("--udev-rules", action="store_true",
                             help="print rules for udev that let you use the boards, no more")
    sub = add("build", "Make a bitstream with Yosys and nextpnr from PyPI.")
    add_config_arguments(sub, preset=None)
    sub.add_argument("--out", type=file_path, metavar="FOLDER",
                     help="where to write (default build/BOARD)")
    add_options(sub, "--network", default=None,
                note="refused before the build where it does not fit; default: none is looked at")
    add_options(sub, *NETWORK[1:])
    add_options(sub, "--partitions", default=None, note="of --network; default: as run")
    add_options(sub, "--plan")
    add_options(sub, "--json")
    sub = add("flash", "Load a bitstream into the board with openFPGALoader.")
    sub.add_argument("--out", type=file_path, metavar="FOLDER",
                     help="of the build (default build/BOARD)")
    sub.add_argument("--flash", action="store_true",
                     help="into flash memory, to stay (some boards have no other way)")
    _add_serial(sub)
    sub.add_argument("--pass", dest="options", action="append", default=None, type=word,
                     metavar="OPTION", help="hand an option on to openFPGALoader, with an equals "
                     "sign: --pass=--unprotect-flash; may be repeated")
    sub.add_argument("--dry-run", action="store_true", help="print the command, do nothing")
    sub = add("check", "Look whether a board is in order: clock, link, memory, accelerator.")
    _add_port(sub)
    sub.add_argument("--virtual", action="store_true",
                     help="a simulated board behind a pseudo-terminal, and less of it")
    sub.add_argument("--inject", choices=tuple(FAULTS),
                     help="with --virtual: break the simulated board, to see what the check says")
    sub.add_argument("--whole", action="store_true",
                     help="all of the memory, which takes minutes at the link's speed")
    sub.add_argument("--report", type=file_path, metavar="FILE",
                     help="fill in the form for whoever tries a board")
    sub.add_argument("--out", type=file_path, metavar="FOLDER",
                     help="the build that the board holds (default build/BOARD)")
    add_options(sub, "--json")
    _add_run(add("run", "Run a network on a board, and check every layer against the golden "
                 "model."))
    _add_export(add("export", "Write a network for a board, and a driver in C, into a folder."))
    sub = add("margins", "For which delays between FPGA and SDRAM the controller works, in "
              "simulation, and whether the board's lie among them.")
    add_options(sub, "--json")
    sub = add("table", "Build boards and write a row for each into the results.", board=False)
    sub.add_argument("boards", nargs="*", type=word, help="which (default all)")
    sub.add_argument("--check", action="store_true", help="only say whether they are current")
    return parser


def _add_run(sub: Parser) -> None:
    add_config_arguments(sub, preset=None)
    _add_port(sub)
    sub.add_argument("--virtual", action="store_true",
                     help="a simulated board behind a pseudo-terminal")
    sub.add_argument("--virtual-baud", type=integer(300, 100_000_000), metavar="N",
                     help=f"of the simulated UART, in simulated time (default {VIRTUAL_BAUD:,}, "
                     "or what the board's clock allows)")
    sub.add_argument("--virtual-latency-ms", type=real(0, 1000), metavar="MS",
                     help="for which the simulated board's adapter keeps each answer back, of this "
                     "machine's time; a USB adapter does so for up to 16 (default 0)")
    sub.add_argument("--compare", action="store_true",
                     help="compare cycles and outputs with the simulation, layer by layer, as "
                     "--virtual does anyway")
    sub.add_argument("--bundle", type=file_path, metavar="FOLDER",
                     help="run what `boards export` has written, on its input")
    _add_network(sub)
    add_options(sub, "--images", note="default 1")
    sub.add_argument("--out", type=file_path, metavar="FOLDER",
                     help="the build that the board holds (default build/BOARD)")
    add_options(sub, "--json")


def _add_network(sub: Parser) -> None:
    """What runs, where nobody says digits."""
    add_options(sub, "--network", default=None, note="default digits")
    add_options(sub, *NETWORK[1:], *DATA)
    sub.add_argument("--dense", action="store_true", help="the network before pruning")
    add_options(sub, "--partitions", default=None,
                note="default: as many as instances, or what makes digits fit the board; a "
                "network of your own is run as it is")
    add_options(sub, "--plan")
    add_options(sub, "--seed", default=None, note="default 1")


_EXPORT = """\
Write a network for a board, and a driver in C, into a folder.

    python -m boards export ulx3s-25f --network digits --out deploy
    python -m boards run ulx3s-25f --bundle deploy --port auto      try it, from Python
    cc -std=c99 -O2 -o run deploy/partita.c deploy/example_serial.c
    ./run /dev/ttyUSB0 deploy                                       the same from C

The folder has the program, the memory image, one input with its output, a manifest (bundle.json),
C headers, a driver of C99 that needs nothing else (partita.c), and two hosts for it: through a
serial port, and by pointers, as on a RISC-V SoC. Whatever other host you have is four functions.
Nothing is written before it is known that the network fits the board (else exit code 4). Only
files that an export has written are replaced: compile into another folder.
"""


def _add_export(sub: Parser) -> None:
    sub.description = _EXPORT
    add_config_arguments(sub, preset=None)
    _add_network(sub)
    sub.add_argument("--last-only", action="store_true",
                     help="store the last layer's output, and of the others what is read again: "
                     "less memory, but not every layer can be looked at")
    sub.add_argument("--build", type=file_path, metavar="FOLDER",
                     help="the build that the board holds, whose configuration is taken (default "
                     "build/BOARD, if it is there)")
    sub.add_argument("--out", type=file_path, metavar="FOLDER", required=True,
                     help="where to write")
    add_options(sub, "--json", "--quiet")


def _add_port(sub: Parser) -> None:
    sub.add_argument("--port", type=word, metavar="PATH",
                     help="the board's serial port, such as /dev/ttyUSB0, or auto: the one of its "
                     "USB device")
    _add_serial(sub)


def _add_serial(sub: Parser) -> None:
    sub.add_argument("--serial", type=word, metavar="NUMBER",
                     help="serial number of the board's USB device, where there are several alike "
                     "(python -m boards doctor shows them)")


def run(argv: list[str]) -> int:
    """Run the command and return its exit code; errors are raised."""
    args = parser().parse_args(argv)
    if args.command is None:
        parser().print_help()
        return 2
    with importing():
        if args.command == "run":
            from boards.host.command import run_as_asked as work
        elif args.command == "export":
            from boards.deploy.command import export_as_asked as work
        elif args.command == "check":
            from boards.host.checking import check_as_asked as work
        elif args.command == "margins":
            from boards.virtual.sweep import sweep_as_asked as work
        else:
            from boards.flow.commands import WORK
            work = WORK[args.command]
    return work(args)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m boards")


if __name__ == "__main__":
    sys.exit(main())
