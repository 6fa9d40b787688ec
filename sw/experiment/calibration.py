"""Coefficients of the energy model from gates."""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict

import numpy as np
from rich.table import Table

from hw.config import PRESETS, Config
from hw.gateware.top import CORE_NAME
from hw.gateware.verilog import generate
from hw.support.console import console
from hw.support.files import check_outputs, save_file
from sim.gates.liberty import read_liberty
from sim.gates.netlist import Netlist
from sim.gates.timing import Timing, analyse
from sw.energy.coefficients import TABLE
from sw.energy.fit import FEATURES, Sample, column, fit, logic_errors, predict, validate
from sw.terminal.progress import StepProgress

from .gates import map_core, stimuli

__all__ = ["calibrate_as_asked", "verilog_digests"]


def calibrate_as_asked(args: argparse.Namespace) -> int:
    """Do what `sw.calibrate`'s arguments ask for, and return the exit code; errors are raised."""
    if args.write:
        check_outputs(write=(TABLE, None))
    library = read_liberty(args.liberty)
    samples: list[Sample] = []
    paths: dict[str, dict[str, float]] = {}
    with StepProgress() as progress:
        for rows, cols in args.arrays:
            config = _config(rows, cols)
            netlist = Netlist(map_core(config, args.liberty, library, args.delay_ns, progress.say),
                              library, CORE_NAME)
            progress.say(f"{rows}x{cols}: {len(netlist.flip_flops):,} flip-flops, "
                         f"{netlist.area / 1e6:.2f} mm2 of cells")
            paths[f"{rows}x{cols}"] = _paths(analyse(netlist), args.delay_ns, progress.say)
            for sample in stimuli(config, netlist, args.cycles, args.windows, progress.say):
                samples.append(sample)
                progress.say(f"  {sample.array} {sample.stimulus}: "
                             f"{sample.gates_pj / sample.cycles:.1f} pJ per cycle")
    if args.json:
        print(json.dumps({"paths": paths, "samples": [asdict(s) for s in samples]}, indent=1))
    else:
        _print(samples)
    if args.write:
        data = json.loads(TABLE.read_text())
        data["columns"]["sky130"]["coefficients"].update(column(samples, library.name))
        save_file(TABLE, json.dumps(data, indent=1) + "\n")
        save_file(TABLE.parent / "calibration.json", json.dumps({
            "library": library.name, "verilog": verilog_digests(args.arrays), "paths": paths,
            "samples": [asdict(s) for s in samples]}, indent=1) + "\n")
    return 0


def _paths(timing: Timing, delay_ns: float, say: Callable[[str], None]) -> dict[str, float]:
    """Say whether the netlist is as fast as asked for; returns what is kept of it, ns."""
    slowest = timing.registers
    room = delay_ns - timing.memories.ns
    verdict = "holds" if slowest.ns <= delay_ns and room >= 0 else "does not hold"
    say(f"  {delay_ns:g} ns {verdict}: the longest path takes {slowest.ns:.2f}, from "
        f"{slowest.nets[0][0]} to {slowest.nets[-1][0]}; memories have "
        f"{room:.2f} for an access (no wires, no clock tree)")
    return {"asked_ns": delay_ns, "longest_ns": round(slowest.ns, 3),
            "from_memory_ns": round(timing.memories.ns, 3)}


def verilog_digests(arrays: Iterable[tuple[int, int]]) -> dict[str, str]:
    """Of each array: a hash of the instance's Verilog that its gates are made from."""
    return {f"{rows}x{cols}": hashlib.sha256(
        generate(_config(rows, cols))[CORE_NAME].encode()).hexdigest()[:16]
        for rows, cols in arrays}


def _config(rows: int, cols: int) -> Config:
    return PRESETS["tiny"].replace(
        array__rows=rows, array__cols=cols, array__post_lanes=0, buffers__act_words=4096,
        buffers__acc_depth=64, port__address_bits=32, instances=2)


def _print(samples: list[Sample]) -> None:
    coefficients, errors = fit(samples), validate(samples)
    table = Table(title="gates against model, error of fits that left it out", box=None,
                  title_justify="left")
    for heading in ("array", "stimulus"):
        table.add_column(heading)
    for heading in ("gates pJ/cycle", "clock share", "glitches add", "model",
                    "stimulus left out", "array left out", "without clock"):
        table.add_column(heading, justify="right")
    for s, a, b, c in zip(samples, errors["stimulus"], errors["array"], logic_errors(samples),
                          strict=True):
        table.add_row(
            s.array, s.stimulus, f"{s.gates_pj / s.cycles:.2f}", f"{s.clock_pj / s.gates_pj:.0%}",
            f"{s.glitch_share:.0%}" if s.logic_pj else "-",
            f"{predict(coefficients, s) / s.gates_pj - 1:+.1%}", f"{a:+.1%}", f"{b:+.1%}",
            "-" if c is None else f"{c:+.1%}")
    out = console()
    out.print(table)
    for name, values in errors.items():
        size = np.abs(values)
        out.print(f"{name} left out: mean error {size.mean():.1%}, largest {size.max():.1%}")
    total = np.array([s.toggle + s.accumulator for s in samples], float)
    energy = np.array([s.gates_pj for s in samples])
    best = (total / energy).sum() / ((total / energy) ** 2).sum()
    alone = np.abs(best * total / energy - 1)
    out.print(f"for comparison, toggles alone: mean {alone.mean():.0%}, largest "
                  f"{alone.max():.0%}")
    out.print("pJ: " + ", ".join(f"{n} {c:.4f}" for n, c in
                                     zip(FEATURES, coefficients, strict=True)))
    out.print(f"{sum(s.compared_bits for s in samples):,} bits of netlist state and outputs "
                  "equal the RTL's")
