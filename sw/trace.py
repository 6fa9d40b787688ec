"""Look inside a run: signals of instance 0 as FST or VCD, all instances' layers as a timeline.

Examples:
    python -m sw.trace --network digits --layer fc1 --out fc1.fst
    python -m sw.trace --network digits --timeline run.json
    python -m sw.trace --layer conv3_2 --start 5000 --cycles 400 --out window.vcd

The file of signals opens in GTKWave or Surfer; its name's ending, .fst or .vcd, says which it is.
A unit of its time is a clock cycle, and names are the generator's: core.path.array.product_0_0 is
the product of column 0, row 0. The timeline opens in Perfetto (ui.perfetto.dev) or
chrome://tracing: a span for each layer of each instance, a microsecond for each cycle, with the
cycles by cause.

Exit codes: 0 written, 1 the run failed, 2 usage, 3 a tool is missing, 4 does not fit, 5 input or
output failed, 130 interrupted.
"""

import json
import sys
import tempfile
from pathlib import Path

from hw.options import add_config_arguments, config_from_arguments
from hw.support.arguments import PARTITIONS, SEED, Parser, file_path, given, integer, nearest, word
from hw.support.console import console
from hw.support.errors import exit_code
from hw.support.files import check_outputs, save_file
from sim.waves.fst import require_fst, vcd_to_fst
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.driver.result import RunResult
from sw.experiment.workload import NETWORKS, load_workload
from sw.networks.shapes import shape_graph
from sw.terminal.console import deliver

from .compiler import compile_graph

__all__ = ["main", "timeline"]

_MOST_CYCLES = 100_000
_LAST_START = 2 ** 32 - 1


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.trace", description=__doc__)
    what = parser.add_argument_group("what runs")
    what.add_argument("--network", choices=NETWORKS, default="tinyvgg16")
    what.add_argument("--form", choices=("dense", "pruned"), default="pruned")
    what.add_argument("--partitions", type=PARTITIONS, default=8, metavar="P")
    what.add_argument("--seed", type=SEED, default=1)
    add_config_arguments(parser)
    window = parser.add_argument_group("the window, and where it goes")
    window.add_argument("--layer", type=word, metavar="NAME",
                        help="where it begins (default: the first)")
    window.add_argument("--start", type=integer(0, _LAST_START), default=0, metavar="N",
                        help="cycles after the layer's begin (default 0)")
    window.add_argument("--cycles", type=integer(1, _MOST_CYCLES), default=1000, metavar="N",
                        help="(default 1000)")
    window.add_argument("--out", type=file_path, metavar="FILE.fst",
                        help="signals of instance 0, as .fst or .vcd")
    window.add_argument("--timeline", type=file_path, metavar="FILE.json",
                        help="all instances' layers and what they waited for")
    return parser


def timeline(result: RunResult, names: list[str], title: str) -> str:
    """Return a run as trace events: a span for each layer of each instance.

    Parameters
    ----------
    result : RunResult
    names : of the layers
    title : of the process
    """
    assert result.ledger is not None
    events: list[dict] = [{"ph": "M", "pid": 1, "name": "process_name", "args": {"name": title}}]
    for i in range(len(result.counters)):
        events.append({"ph": "M", "pid": 1, "tid": i, "name": "thread_name",
                       "args": {"name": f"instance {i}"}})
        at = 0
        for name, row in zip(names, result.ledger, strict=True):
            cycles = sum(row[i].values())
            if cycles:
                events.append({"ph": "X", "pid": 1, "tid": i, "ts": at, "dur": cycles,
                               "name": name, "args": row[i]})
            at += cycles
    return json.dumps({"displayTimeUnit": "ns", "traceEvents": events}) + "\n"


def run(argv: list[str]) -> int:
    """Write what was asked for; errors are raised."""
    args = parser().parse_args(argv)
    if args.out is None and args.timeline is None:
        raise ValueError("nothing to write: give --out, --timeline or both")
    check_outputs(out=args.out, timeline=args.timeline)
    if args.out and args.out.suffix not in (".fst", ".vcd"):
        raise ValueError(f"--out {args.out}: name a file that ends in .fst or .vcd")
    if args.out and args.out.suffix == ".fst":
        require_fst()
    config = config_from_arguments(args)
    with given("--partitions", args.partitions):
        names = [x.name for x in shape_graph(args.network, "fc", args.partitions).layers]
    if args.layer is not None and args.layer not in names:
        raise ValueError(f"--layer {args.layer!r} is not in {args.network}; its layers are "
                         + ", ".join(names) + nearest(args.layer, names))
    notes = console(stderr=True)
    work = load_workload(args.network, partitions=args.partitions, seed=args.seed, images=1,
                         say=notes.print)
    graph = work.dense if args.form == "dense" else work.pruned
    program = compile_graph(graph, config)
    program.check_log()
    with open_backend("verilator", config, memory_bytes=program.window_bytes, say=notes.print,
                      kind="wave" if args.out else None) as backend:
        driver = Driver(backend)
        driver.load(program)
        notes.print("running once, to see where layers begin")
        result = driver.run(work.images[0])
        if args.timeline:
            text = timeline(result, names, f"{graph.name} on {config.instances} instances")
            deliver(text, lambda: None, {args.timeline: lambda: text}, as_json=False)
            notes.print(f"wrote {args.timeline}: {result.cycles:,} cycles")
        if args.out:
            first = names.index(args.layer) if args.layer else 0
            assert result.layer_cycles is not None
            begin = sum(result.layer_cycles[:first]) + args.start
            if begin >= result.cycles:
                raise ValueError(f"--start {args.start}: the run is over {result.cycles - begin:,} "
                                 "cycles before")
            driver.start(work.images[0])
            if begin:
                backend.advance(begin)
            with tempfile.TemporaryDirectory() as folder:
                made = Path(folder) / "signals.vcd"
                backend.trace(made, args.cycles)
                if args.out.suffix == ".fst":
                    vcd_to_fst(made, made.with_suffix(".fst"))
                with made.with_suffix(args.out.suffix).open("rb") as file:
                    save_file(args.out, file)
            notes.print(f"wrote {args.out}: {args.cycles:,} cycles from cycle {begin:,}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.trace")


if __name__ == "__main__":
    sys.exit(main())
