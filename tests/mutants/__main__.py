"""The command line of the mutants; see `tests.mutants`."""

import argparse
import json
import sys
import time
from pathlib import Path

from hw.support.interrupts import Interrupted, interruptible
from hw.support.processors import processors
from tests.support.seeds import VARIABLE, choose_seed, run_seed

from .run import Verdict, run_mutants
from .table import MUTANTS


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Run mutants of the gateware by their tests.")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="of mutants; all, if none is given")
    parser.add_argument("--list", action="store_true", help="show the table and run nothing")
    parser.add_argument("--jobs", type=int, default=processors(), help="side by side")
    parser.add_argument("--resume", type=Path, metavar="FILE",
                        help="keep verdicts there, and run those alone that have none")
    parser.add_argument("--json", action="store_true", help="verdicts as JSON")
    args = parser.parse_args(argv)
    table = {mutant.name: mutant for mutant in MUTANTS}
    if unknown := [name for name in args.names if name not in table]:
        parser.error(f"no mutant {', '.join(unknown)}; --list shows their names")
    if args.jobs < 1:
        parser.error(f"--jobs is {args.jobs}; it must be 1 or more")
    chosen = [table[name] for name in args.names] or list(MUTANTS)
    if args.list:
        for one in chosen:
            print(f"{one.name}\n  {one.file}: {one.old} -> {one.new}\n  {one.test}")
        return 0
    choose_seed()
    try:
        with interruptible():
            return _run(chosen, args.jobs, args.resume, as_json=args.json)
    except Interrupted as stop:
        print("interrupted", file=sys.stderr)
        return stop.exit_code


def _run(chosen: list, jobs: int, kept: Path | None, *, as_json: bool) -> int:
    began, done = time.monotonic(), 0
    found = _read(kept)
    left = [mutant for mutant in chosen if mutant.name not in found]

    def tell(verdict: Verdict) -> None:
        nonlocal done
        done += 1
        found[verdict.mutant.name] = row = {
            "name": verdict.mutant.name, "file": verdict.mutant.file, "test": verdict.mutant.test,
            "verdict": verdict.what, "why": verdict.why, "seconds": round(verdict.seconds, 1)}
        if kept:
            with kept.open("a") as file:
                file.write(json.dumps(row) + "\n")
        print(f"{done}/{len(left)} {verdict.what}: {verdict.mutant.name} "
              f"({verdict.seconds:.0f} s)", file=sys.stderr, flush=True)

    run_mutants(left, jobs, run_seed(), tell)
    verdicts = [found[mutant.name] for mutant in chosen]
    killed = sum(row["verdict"] == "killed" for row in verdicts)
    if as_json:
        print(json.dumps(verdicts, indent=1))
    else:
        width = max(len(row["name"]) for row in verdicts)
        for row in verdicts:
            print(f"{row['verdict']:6}  {row['name']:{width}}  "
                  f"{row['why'] if row['verdict'] != 'killed' else ''}".rstrip())
        print(f"{killed} of {len(verdicts)} killed ({100 * killed / len(verdicts):.0f} %) in "
              f"{(time.monotonic() - began) / 60:.0f} minutes, {VARIABLE}={run_seed()}")
    return int(killed < len(verdicts))


def _read(kept: Path | None) -> dict[str, dict]:
    """Verdicts of a run before, by mutant."""
    if kept is None or not kept.is_file():
        return {}
    return {row["name"]: row for row in map(json.loads, kept.read_text().splitlines())}


if __name__ == "__main__":
    sys.exit(main())
