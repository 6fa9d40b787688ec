"""One run looked into: signals of a window of cycles, and a timeline of all of it."""

import argparse
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hw.options import config_from_arguments
from hw.support.arguments import UsageError, given, nearest
from hw.support.files import check_outputs, save_file
from hw.support.marks import marked_vcd, wave_version
from sim.waves.fst import require_fst, vcd_to_fst
from sw.compiler import compile_graph
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from sw.driver.result import RunResult
from sw.networks.shapes import captured, require_cut
from sw.terminal.console import deliver
from sw.terminal.progress import StepProgress
from sw.terminal.reads import files_read

from .choice import choice_from_arguments
from .planned import plan_as_asked
from .workload import MOST_PARTITIONS, load_workload

__all__ = ["trace_as_asked"]

#: Of the window, where nobody says how many.
_CYCLES = 1000
#: What the files that it writes say that they are.
_WAVES, _TIMELINE, _VERSION = "partita.trace", "partita.timeline", 1


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
    return json.dumps({"otherData": {"schema": _TIMELINE, "version": _VERSION},
                       "displayTimeUnit": "ns", "traceEvents": events}) + "\n"


def trace_as_asked(args: argparse.Namespace) -> int:
    """Do what `sw.trace`'s arguments ask for, and return the exit code; errors are raised."""
    _check(args)
    config = config_from_arguments(args)
    choice = choice_from_arguments(args)
    float_graph, plan = captured(choice.origin), plan_as_asked(args, choice)
    partitions = args.partitions or (MOST_PARTITIONS if choice.origin.ours else None)
    with given("--partitions", partitions):
        require_cut(float_graph, "fc", partitions or 1)
    names = [x.name for x in float_graph.layers]
    if args.layer is not None and args.layer not in names:
        raise ValueError(f"--layer {args.layer!r} is not in {args.network}; its layers are "
                         + ", ".join(names) + nearest(args.layer, names))
    with StepProgress(quiet=args.quiet) as progress:
        work = load_workload(choice, partitions=partitions, seed=args.seed, images=1, plan=plan,
                             say=progress.say)
        if args.form == "pruned" and work.pruned is None:
            raise ValueError("--form is pruned; nothing of this network is: take --form dense")
        graph = work.dense if args.form == "dense" else work.pruned or work.dense
        program = compile_graph(graph, config)
        program.check_log()
        with open_backend("verilator", config, memory_bytes=program.window_bytes,
                          say=progress.say, kind="wave" if args.out else None) as backend:
            driver = Driver(backend)
            driver.load(program)
            progress.say("running once, to see where layers begin")
            result = driver.run(work.images[0])
            if args.timeline:
                text = timeline(result, names, f"{graph.name} on {config.instances} instances")
                deliver(text, lambda: None, {args.timeline: lambda: text}, as_json=False,
                        quiet=True)
                progress.say(f"wrote {args.timeline}: {result.cycles:,} cycles")
            if args.out:
                begin = _begin(args, names, result)
                driver.start(work.images[0])
                if begin:
                    backend.advance(begin)
                cycles = args.cycles or _CYCLES
                _write_signals(args.out, partial(backend.trace, cycles=cycles))
                progress.say(f"wrote {args.out}: {cycles:,} cycles from cycle {begin:,}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what cannot work, or would change nothing, before anything is read."""
    if args.out is None and args.timeline is None:
        raise ValueError("nothing to write: give --out, --timeline or both")
    for option in ("layer", "start", "cycles"):
        if args.out is None and getattr(args, option) is not None:
            raise UsageError(f"--{option} goes with --out, whose window it says; --timeline is of "
                             "the whole run")
    for option in ("partitions", "plan"):
        if args.form == "dense" and getattr(args, option) is not None:
            raise UsageError(f"--{option} goes without --form dense, of which nothing is pruned")
    check_outputs(files_read(args), out=(args.out, _WAVES),
                  timeline=(args.timeline, _TIMELINE))
    if args.out and args.out.suffix not in (".fst", ".vcd"):
        raise ValueError(f"--out {args.out}: name a file that ends in .fst or .vcd")
    if args.out and args.out.suffix == ".fst":
        require_fst()


def _begin(args: argparse.Namespace, names: list[str], result: RunResult) -> int:
    """The cycle at which the window begins; refuses one after the run's end."""
    assert result.layer_cycles is not None
    before = sum(result.layer_cycles[:names.index(args.layer) if args.layer else 0])
    start = args.start or 0
    if before + start >= result.cycles:
        left, of = result.cycles - before, f" from layer {args.layer} on" if args.layer else ""
        raise ValueError(f"--start is {start}: the run takes {left:,} cycles{of}; it must be less")
    return before + start


def _write_signals(path: Path, trace: Callable[[Path], None]) -> None:
    """Keep the signals that `trace` writes as VCD into a file, as that file's ending says."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "signals.vcd"
        trace(made)
        is_vcd = path.suffix == ".vcd"
        if not is_vcd:
            vcd_to_fst(made, made.with_suffix(".fst"), wave_version(_WAVES, _VERSION))
        with made.with_suffix(path.suffix).open("rb") as file:
            save_file(path, file, head=marked_vcd(_WAVES, _VERSION) if is_vcd else b"")
