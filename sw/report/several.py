"""Several reports beside each other: in a terminal, and as one page."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from hw.support.text import printable

from .elements import bar_chart, document, escaped, html_table
from .energy import EnergyUnit, energy_unit
from .graph import CAUSE_WORDS, CAUSES, graph_key, graph_view
from .values import ArmReport, LayerReport, Report

__all__ = ["Run", "print_runs", "render_runs", "runs_as_dict"]

SCHEMA_NAME, SCHEMA_VERSION = "partita.report", 2


@dataclass(frozen=True)
class Run:
    """A report and what it is called: the name of its file."""

    name: str
    report: Report

    def uj(self, arm: ArmReport) -> float | None:
        """uJ an image; None where activity was not counted."""
        split = arm.energy(self.report.energy_model, self.report.images)
        return None if split is None else split["joules_per_image"] * 1e6

    def cycles(self, arm: ArmReport) -> float:
        """Cycles an image."""
        return arm.cycles / self.report.images

    @property
    def shown(self) -> ArmReport:
        """The arm that stands for it layer by layer: the pruned one on several, or the last."""
        return self.report.best or self.report.arms[-1]


def _machine(run: Run) -> str:
    array, port = run.report.config["array"], run.report.config["port"]
    return (f"{run.report.config['instances']} of {array['rows']}x{array['cols']}, "
            f"{port['bytes']} bytes a cycle, {port['memory']}")


def _difference(first: Run, run: Run) -> str:
    """In which layer what two runs ran differs, by shape or, dense, by MACs; nothing where it is
    the same."""
    ours, theirs = ({x.name: x for x in r.report.arms[0].layers} for r in (first, run))
    if list(ours) != list(theirs):
        alone = [name for name in (*theirs, *ours) if name not in ours or name not in theirs]
        return f"layer {alone[0]} is not in both" if alone else "layers come in another order"
    for name, x in ours.items():
        y = theirs[name]
        if x.shape and y.shape and x.shape != y.shape:  # old reports have none
            a, b = (" x ".join(map(str, shape)) for shape in (y.shape, x.shape))
            return f"layer {name} gives {a}, not {b}"
        if not x.pruned and not y.pruned:
            macs, others = (layer.macs // r.report.images for layer, r in ((y, run), (x, first)))
            if macs != others:
                return f"layer {name} takes {macs:,} MACs an image, not {others:,}"
    return ""


def _others(runs: Sequence[Run]) -> list[str]:
    """Of each run of another network than the first's, that it is, in words."""
    found = ((run.name, _difference(runs[0], run)) for run in runs)
    return [f"{name} ran another network, or other layers of it, than {runs[0].name}: {how}; there "
            "is no ratio between them" for name, how in found if how]


def _rows(runs: Sequence[Run]) -> list[tuple[str, str, float, float | None, float | None, bool]]:
    """Run, arm, cycles an image, how many times fewer than the first, if that ran the same network,
    uJ an image, exact."""
    first = runs[0].cycles(runs[0].report.arms[0])
    return [(run.name, arm.name, run.cycles(arm),
             None if other else first / max(run.cycles(arm), 1), run.uj(arm), arm.bit_exact)
            for run, other in ((run, _difference(runs[0], run)) for run in runs)
            for arm in run.report.arms]


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}x"


def _unit(runs: Sequence[Run]) -> EnergyUnit:
    energies = (run.uj(arm) for run in runs for arm in run.report.arms)
    return energy_unit(None if uj is None else uj * 1e6 for uj in energies)


def _energy(unit: EnergyUnit, uj: float | None) -> str:
    return unit.text(None if uj is None else uj * 1e6)


def _layers(runs: Sequence[Run]) -> list[tuple[str, list[LayerReport | None]]]:
    """Layers by name, in the order of the first run that has them, each as each run has it."""
    own = [{x.name: x for x in run.shown.layers} for run in runs]
    names = dict.fromkeys(name for layers in own for name in layers)
    return [(name, [layers.get(name) for layers in own]) for name in names]


def runs_as_dict(runs: Sequence[Run]) -> dict:
    """The same for other programs: cycles and uJ of an image, of each run's arms and layers."""
    rows = [{"run": run, "arm": arm, "cycles": cycles,
             "first_over_it": None if ratio is None else round(ratio, 4), "uj": uj,
             "bit_exact": exact} for run, arm, cycles, ratio, uj, exact in _rows(runs)]
    layers = [{"layer": name, "cycles": {
        run.name: None if x is None else x.cycles / run.report.images
        for run, x in zip(runs, found, strict=True)}} for name, found in _layers(runs)]
    return {"schema": SCHEMA_NAME, "version": SCHEMA_VERSION,
            "runs": [{"run": r.name, "network": r.report.network, "weights": r.report.weights,
                      "config": r.report.config, "images": r.report.images,
                      "shown_arm": r.shown.name, "command": r.report.command} for r in runs],
            "arms": rows, "layers": layers, "notes": _others(runs)}


def print_runs(runs: Sequence[Run], console: Console) -> None:
    """Print the arms of all runs, against the first arm of the first."""
    base = f"{runs[0].name} {runs[0].report.arms[0].name}"
    for run in runs:
        console.print(printable(f"{run.name}: {run.report.network}, {_machine(run)}"))
    table = Table(title=printable(f"cycles and energy of an image, against {base}"),
                  title_justify="left", title_style="bold", box=None, pad_edge=False,
                  header_style="dim")
    for name in ("run", "arm"):
        table.add_column(name)
    unit = _unit(runs)
    for name in ("cycles", "fewer", unit.name, "exact"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, arm, cycles, ratio, uj, exact in _rows(runs):
        table.add_row(printable(name), printable(arm), f"{cycles:,.0f}", _ratio(ratio),
                      _energy(unit, uj), "yes" if exact else "NO")
    console.print()
    console.print(table)
    for note in _others(runs):
        console.print(printable(note))


def render_runs(runs: Sequence[Run]) -> str:
    """One page of HTML with all runs."""
    unit = _unit(runs)
    base = runs[0].report.arms[0].name
    about = html_table(("run", "network", "machine", "weights", "images"), [
        (escaped(r.name), escaped(r.report.network), escaped(_machine(r)),
         escaped(r.report.weights), str(r.report.images)) for r in runs], text=(0, 1, 2, 3))
    arms = html_table(("run", "arm", "cycles per image", "faster",
                       f"{unit.name} per image", "exact"), [
        (escaped(name), escaped(arm), f"{cycles:,.0f}", _ratio(ratio),
         _energy(unit, uj), "yes" if exact else "<span class=bad>NO</span>")
        for name, arm, cycles, ratio, uj, exact in _rows(runs)], text=(0, 1, 5))
    words = [CAUSE_WORDS[c] for c in CAUSES]
    bars = bar_chart([(f"{a.name}, {r.name}", [
        sum(i.get(c, 0) for i in a.counters) / max(len(a.counters), 1) / r.report.images / 1e3
        for c in CAUSES]) for r in runs for a in r.report.arms], words, "thousand cycles",
        "Thousand cycles an image by cause, mean of each arm's instances")
    layers = html_table(("layer", *(escaped(f"{r.name} {r.shown.name}") for r in runs)), [
        (escaped(name), *("-" if x is None else f"{x.cycles / r.report.images:,.0f}"
                          for r, x in zip(runs, found, strict=True)))
        for name, found in _layers(runs)])
    graphs = "".join(f"<h3>{escaped(r.name)}</h3>{graph_view(r.shown, r.report.images)}"
                     for r in runs)
    return document(f"{len(runs)} runs", f"""<h1>{len(runs)} runs</h1>
<p>Cycles, bytes and activity were counted in RTL simulation; energy is activity times each report's
own coefficients. Faster: cycles of {escaped(runs[0].name)}'s {escaped(base)} over an arm's.</p>
{"".join(f"<p class=bad>{escaped(note)}</p>" for note in _others(runs))}
{arms}{bars}
<h2>Layers</h2><p>Cycles of an image, of the arm that each column names.</p>{layers}
<h2>The networks</h2>{graph_key()}{graphs}
<h2>What ran</h2>{about}
<dl>{"".join(f"<dt>{escaped(r.name)}</dt><dd><code>{escaped(r.report.command)}</code></dd>"
             for r in runs)}</dl>""")
