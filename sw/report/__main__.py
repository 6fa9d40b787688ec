"""Show reports again: one as the page that it was, several beside each other.

Examples:
    python -m sw.compare --network digits --save digits.json
    python -m sw.report digits.json --out digits.html
    python -m sw.report before.json after.json --out both.html

A report is what `python -m sw.compare --save FILE` writes; the ratios are against the first arm of
the first one.

Exit codes: 0 shown, 2 a file that is no report, or usage, 5 input or output failed, 130
interrupted.
"""

import argparse
import json
import sys
from pathlib import Path

from hw.support.arguments import Parser, file_path
from hw.support.errors import exit_code
from hw.support.files import check_outputs
from hw.support.interrupts import importing
from sw.terminal.options import add_options

from .elements import PAGE

__all__ = ["main", "parser"]


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.report", description=__doc__)
    parser.add_argument("reports", type=file_path, nargs="+", metavar="REPORT.json",
                        help="what sw.compare has saved")
    parser.add_argument("--out", type=file_path, metavar="FILE.html",
                        help="write one page of HTML")
    add_options(parser, "--json")
    return parser


def _names(paths: list[Path]) -> list[str]:
    """Files as they are called: their stems, or the paths where two have the same, with a number
    where one is named twice."""
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    return [name if name not in names[:k] else f"{name} ({names[:k].count(name) + 1})"
            for k, name in enumerate(names)]


def _run(argv: list[str]) -> int:
    args: argparse.Namespace = parser().parse_args(argv)
    check_outputs(args.reports, out=(args.out, PAGE))
    with importing():
        from hw.support.console import console
        from sw.terminal.console import deliver

        from .console import print_report
        from .page import render
        from .reading import read_report
        from .several import Run, print_runs, render_runs, runs_as_dict
    reports = [read_report(path) for path in args.reports]
    runs = [Run(name, report) for name, report in zip(_names(args.reports), reports, strict=True)]
    if len(reports) == 1:
        text = reports[0].to_json()
        deliver(text, lambda: print_report(reports[0], console(wide=True)),
                {args.out: lambda: render(reports[0])}, as_json=args.json)
    else:
        text = json.dumps(runs_as_dict(runs), indent=1)
        deliver(text, lambda: print_runs(runs, console(wide=True)),
                {args.out: lambda: render_runs(runs)}, as_json=args.json)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(_run, sys.argv[1:] if argv is None else argv, "python -m sw.report")


if __name__ == "__main__":
    sys.exit(main())
