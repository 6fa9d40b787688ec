"""What a comparison found: frozen values, their JSON form and the printed table."""

import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = [
    "PUBLISHED_SPEEDUP",
    "SCHEMA_NAME",
    "SCHEMA_VERSION",
    "ArmReport",
    "LayerReport",
    "Report",
    "print_report",
    "save_text",
]

SCHEMA_NAME = "partita.compare"
SCHEMA_VERSION = 1

#: Speed-up of TinyVGG16's pruned fully connected layers on eight accelerators against the
#: unpruned model on one, as its authors report it (arXiv 1901.11391).
PUBLISHED_SPEEDUP = 7.72


@dataclass(frozen=True)
class LayerReport:
    """One layer of one arm, as measured in RTL.

    Members: `macs` executed; `cycles` from the previous layer's end to this one's, over all
    instances; `limit_cycles` that no design can beat, and its `bound`; `port_bytes` moved over
    the memory ports on the layer's behalf (weights, activations, stores); `toggles` and
    `clocked_ff_cycles` of all instances' flip-flops (None where they were not counted);
    `bit_exact` against the golden model; `split` names how instances share the layer.
    """

    name: str
    macs: int
    weight_bytes: int
    cycles: int
    limit_cycles: int
    bound: str
    port_bytes: int
    toggles: int | None
    clocked_ff_cycles: int | None
    bit_exact: bool
    pruned: bool
    kind: str
    split: str

    @property
    def efficiency(self) -> float:
        """limit / cycles."""
        return self.limit_cycles / self.cycles if self.cycles else 0.0


@dataclass(frozen=True)
class ArmReport:
    """One network on one accelerator: dense or pruned, on one instance or on N."""

    name: str
    instances: int
    memory: str
    cycles: int
    layers: tuple[LayerReport, ...]
    counters: tuple[dict[str, int], ...]
    page_misses: int
    simulated_khz: float

    @property
    def bit_exact(self) -> bool:
        return all(layer.bit_exact for layer in self.layers)

    def total(self, name: str, kinds: tuple[str, ...] = ("conv", "fc"),
              only: frozenset[str] | None = None) -> int | None:
        """Sum of one measurement over layers of these kinds (and these names); None if any
        was not measured."""
        values = [getattr(x, name) for x in self.layers
                  if x.kind in kinds and (only is None or x.name in only)]
        return None if any(v is None for v in values) else sum(values)


@dataclass(frozen=True)
class Report:
    """A whole comparison.

    Members: `network` and `weights` say what ran (`weights` states where they come from),
    `config` and `memory_model` on what, `accuracy` (if the network classifies real images) and
    `command`, `seed`, `versions` how to repeat it.
    """

    network: str
    weights: str
    partitions: int
    config: dict
    memory_model: dict
    arms: tuple[ArmReport, ...]
    command: str
    seed: int
    versions: dict[str, str]
    accuracy: dict[str, float] | None = None
    notes: tuple[str, ...] = field(default=())

    def arm(self, name: str) -> ArmReport | None:
        """The arm of that name, if it ran."""
        return next((a for a in self.arms if a.name == name), None)

    @property
    def bit_exact(self) -> bool:
        return all(a.bit_exact for a in self.arms)

    @property
    def speedup(self) -> dict[str, float | None]:
        """Cycles of dense-1 over pruned-N: the pruned layers, all fully connected layers and
        the whole network; None where an arm or such layers did not run."""
        base = self.arm("dense-1")
        best = next((a for a in self.arms if a.name.startswith("pruned-") and a.instances > 1),
                    None)
        if base is None or best is None:
            return {"pruned_layers": None, "fc": None, "network": None}
        pruned = frozenset(x.name for x in best.layers if x.pruned)
        return {
            "pruned_layers": _ratio(base.total("cycles", only=pruned),
                                    best.total("cycles", only=pruned)),
            "fc": _ratio(base.total("cycles", ("fc",)), best.total("cycles", ("fc",))),
            "network": _ratio(base.cycles, best.cycles),
        }

    def to_dict(self) -> dict:
        """The JSON form; `sw/report_schema.json` describes it."""
        data = dataclasses.asdict(self)
        for arm, arm_data in zip(self.arms, data["arms"], strict=True):
            arm_data["bit_exact"] = arm.bit_exact
            for layer, layer_data in zip(arm.layers, arm_data["layers"], strict=True):
                layer_data["efficiency"] = round(layer.efficiency, 4)
        return {
            "schema": SCHEMA_NAME, "version": SCHEMA_VERSION, **data,
            "bit_exact": self.bit_exact, "speedup": self.speedup,
            "published": {"pruned_layers": PUBLISHED_SPEEDUP, "source": "arXiv 1901.11391"},
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1)


def _ratio(a: int | None, b: int | None) -> float | None:
    return round(a / b, 4) if a and b else None


def save_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _mega(value: int | None) -> str:
    return "-" if value is None else f"{value / 1e6:,.1f}"


def _arm_table(arm: ArmReport) -> Table:
    ports = "one shared port" if arm.memory == "shared" else "a port for each instance"
    count = "1 instance" if arm.instances == 1 else f"{arm.instances} instances, {ports}"
    table = Table(title=f"{arm.name}: {count}", title_justify="left", title_style="bold",
                  box=None, pad_edge=False, header_style="dim")
    table.add_column("layer", no_wrap=True)
    for name in ("MACs", "cycles", "limit", "eff.", "port bytes", "Mtoggles", "Mff-cycles"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("split", no_wrap=True)
    table.add_column("exact", no_wrap=True)
    for x in arm.layers:
        table.add_row(x.name + (" *" if x.pruned else ""), _number(x.macs), _number(x.cycles),
                      _number(x.limit_cycles), f"{x.efficiency:.1%}", _number(x.port_bytes),
                      _mega(x.toggles), _mega(x.clocked_ff_cycles), x.split,
                      "yes" if x.bit_exact else "[red]NO[/red]")
    table.add_section()
    limit = arm.total("limit_cycles")
    table.add_row("total", _number(arm.total("macs")), _number(arm.cycles), _number(limit),
                  f"{limit / arm.cycles:.1%}" if limit and arm.cycles else "-",
                  _number(arm.total("port_bytes")), _mega(arm.total("toggles")),
                  _mega(arm.total("clocked_ff_cycles")), "",
                  "yes" if arm.bit_exact else "[red]NO[/red]")
    return table


def _speedup_table(report: Report) -> Table:
    table = Table(title="cycles, against dense-1", title_justify="left", title_style="bold",
                  box=None, pad_edge=False, header_style="dim")
    table.add_column("arm")
    for name in ("pruned layers", "all fully connected", "whole network", "toggles, network"):
        table.add_column(name, justify="right")
    base = report.arm("dense-1")
    pruned = frozenset(x.name for a in report.arms for x in a.layers if x.pruned)

    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}x"

    for arm in report.arms:
        if base is None:
            break
        table.add_row(
            arm.name,
            cell(_ratio(base.total("cycles", only=pruned), arm.total("cycles", only=pruned))),
            cell(_ratio(base.total("cycles", ("fc",)), arm.total("cycles", ("fc",)))),
            cell(_ratio(base.cycles, arm.cycles)),
            cell(_ratio(base.total("toggles"), arm.total("toggles"))))
    if any(a.name.startswith("pruned-") and a.instances > 1 for a in report.arms):
        table.add_row("published", f"{PUBLISHED_SPEEDUP:.2f}x", "-", "-", "-", style="dim")
    return table


def print_report(report: Report, console: Console) -> None:
    """Print what a person wants to see, the headline last."""
    port = report.config["port"]
    array = report.config["array"]
    console.print(f"[bold]{report.network}[/bold], {report.weights}")
    console.print(f"Arrays of {array['rows']}x{array['cols']} MACs, {port['bytes']} bytes per "
                  f"cycle per port, {report.memory_model['latency_cycles']} cycles of memory "
                  "latency; "
                  "the same clock, ports and arrays in every arm.")
    for arm in report.arms:
        console.print()
        console.print(_arm_table(arm))
    console.print("\n* partition-pruned.  eff. = limit / cycles; the limit is what no design with "
                  "these MACs and ports can beat; a layer passes 100% when its weights came during "
                  "the one before.\nMtoggles: millions of flip-flop toggles.  Mff-cycles: millions "
                  "of flip-flops clocked, summed over cycles.\ntaps packed: the host lays out the "
                  "kernel's taps as input channels, so that few channels fill the array.",
                  style="dim")
    if report.accuracy:
        console.print()
        console.print("accuracy: " + ", ".join(f"{k} {v:.2%}" for k, v in report.accuracy.items()))
    console.print()
    console.print(_speedup_table(report))
    for note in report.notes:
        console.print(note, style="dim")
    verdict = ("every layer of every arm is bit-exact against the golden model" if report.bit_exact
               else "[red]at least one layer differs from the golden model[/red]")
    console.print(f"\n{verdict}.")
