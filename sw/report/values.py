"""What a comparison found: frozen values, their JSON form and the printed table."""

import dataclasses
import json
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hw.support.console import printable
from sw.cycles.limits import Limit, Roof
from sw.energy.model import CATEGORIES, CORE, EnergyModel, Features, Interval, ratio

__all__ = [
    "PUBLISHED_ENERGY",
    "PUBLISHED_SPEEDUP",
    "SCHEMA_NAME",
    "SCHEMA_VERSION",
    "ArmReport",
    "LayerReport",
    "Picture",
    "Report",
    "SoFar",
    "print_report",
]

SCHEMA_NAME = "partita.compare"
SCHEMA_VERSION = 3

#: Speed-up of TinyVGG16's pruned fully connected layers on eight accelerators against the
#: unpruned model on one, as its authors report it (arXiv 1901.11391).
PUBLISHED_SPEEDUP = 7.72
#: Their energy, of the same layers.
PUBLISHED_ENERGY = 2.73


@dataclass(frozen=True)
class LayerReport:
    """One layer of one arm, as measured in RTL.

    Members: `macs` executed; `cycles` from the previous layer's end to this one's, over all
    instances; `needed_macs` and `needed_bytes` of weights, that no design can do without (each
    weight crosses a port once per batch; where zeros are skipped, those of other inputs);
    `port_bytes` moved over the memory ports on the layer's behalf (weights, activations, stores),
    `weight_port_bytes` of them weights with what pads them and their parameters,
    `program_port_bytes` instructions (those of all layers count as the first one's);
    `skipped_bytes` and `skipped_macs` that zero inputs spared, which are in neither (`macs` and
    `weight_bytes` are of all inputs; None where zeros are not skipped); `batched` if all images go
    through it together; `toggles` and
    `clocked_ff_cycles` of all instances' flip-flops (None where they were not counted);
    `bit_exact` against the golden model; `split` names how instances share the layer;
    `ledger` are each instance's cycles by cause, from its own end of the layer before to its end
    of this one; `activity` are the counts that energy is made of, by "category/coefficient";
    `energy_pj` their energy by category; `instance_pj` each instance's own, without external
    memory.
    """

    name: str
    macs: int
    weight_bytes: int
    cycles: int
    needed_macs: int
    needed_bytes: int
    port_bytes: int
    toggles: int | None
    clocked_ff_cycles: int | None
    bit_exact: bool
    pruned: bool
    kind: str
    split: str
    ledger: tuple[dict[str, int], ...] = ()
    activity: dict[str, float] | None = None
    energy_pj: dict[str, float] | None = None
    instance_pj: tuple[float, ...] | None = None
    weight_port_bytes: int | None = None
    skipped_macs: int | None = None
    skipped_bytes: int | None = None
    batched: bool = False
    program_port_bytes: int = 0


@dataclass(frozen=True)
class SoFar:
    """All that has run by the end of a layer: `cycles`, the `macs` of inputs that were not
    skipped, the `port_bytes` but for instructions, and the `limit` that no design can beat."""

    cycles: int
    macs: int
    port_bytes: int
    limit: Limit

    @property
    def efficiency(self) -> float:
        """limit / cycles."""
        return self.limit.cycles / self.cycles if self.cycles else 0.0


@dataclass(frozen=True)
class ArmReport:
    """One network on one accelerator: dense or pruned, on one instance or on N, which can do
    `macs_per_cycle` and move `bytes_per_cycle`; `batch` images of a run."""

    name: str
    instances: int
    memory: str
    macs_per_cycle: int
    bytes_per_cycle: int
    cycles: int
    layers: tuple[LayerReport, ...]
    counters: tuple[dict[str, int], ...]
    page_misses: int
    simulated_khz: float
    batch: int = 1

    @property
    def bit_exact(self) -> bool:
        return all(layer.bit_exact for layer in self.layers)

    @property
    def so_far(self) -> list[SoFar | None]:
        """What has run by the end of each layer; None where later layers have run by then, for
        other images of a batch."""
        roof = Roof(self.macs_per_cycle, self.bytes_per_cycle)
        cycles = macs = moved = needed = 0
        found: list[SoFar | None] = []
        for x, after in zip(self.layers, (*self.layers[1:], None), strict=True):
            cycles += x.cycles
            macs += x.needed_macs
            moved += x.port_bytes - x.program_port_bytes  # which are those of all layers
            needed += x.needed_bytes
            mixed = self.batch > 1 and not x.batched and after is not None and not after.batched
            found.append(None if mixed else SoFar(cycles, macs, moved, roof.limit(macs, needed)))
        return found

    def total(self, name: str, kinds: tuple[str, ...] = ("conv", "fc"),
              only: frozenset[str] | None = None) -> int | None:
        """Sum of one measurement over layers of these kinds (and these names); None if any
        was not measured."""
        values = [getattr(x, name) for x in self.layers
                  if x.kind in kinds and (only is None or x.name in only)]
        return None if any(v is None for v in values) else sum(values)


    def features(self, kinds: tuple[str, ...] = ("conv", "fc"),
                 only: frozenset[str] | None = None) -> Features | None:
        """Sum of the layers' activity; None if it was not counted."""
        result = Features({})
        for layer in self.layers:
            if layer.kind in kinds and (only is None or layer.name in only):
                if layer.activity is None:
                    return None
                result += Features(layer.activity)
        return result

    def energy(self, model: EnergyModel, images: int) -> dict[str, float] | None:
        """pJ by category; `joules_per_image`, and `joule_seconds`, energy times delay of one."""
        found = self.features()
        if found is None:
            return None
        split = found.energy(model.coefficients.values())
        joules = sum(split.values()) * 1e-12 / images
        seconds = self.cycles / images / (model.clock_mhz * 1e6)
        return {**split, "joules_per_image": joules, "joule_seconds": joules * seconds}


@dataclass(frozen=True)
class Picture:
    """A pruned layer's weights as two matrices of squares, mean |w| in each: dense as trained, and
    pruned with its channels in the order of their parts; outputs down, inputs across."""

    layer: str
    before: tuple[tuple[float, ...], ...]
    after: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Report:
    """A whole comparison.

    Members: `network` and `weights` say what ran (`weights` states where they come from),
    `config` and `memory_model` on what, `accuracy` (if the network classifies real images) and
    `command`, `seed`, `versions` how to repeat it; `images` ran, `batch` at a time.
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
    energy_model: EnergyModel = field(default_factory=EnergyModel)
    images: int = 1
    batch: int = 1
    accuracy: dict[str, float] | None = None
    pictures: tuple[Picture, ...] = ()
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
        base, best = self.arm("dense-1"), self.best
        if base is None or best is None:
            return {"pruned_layers": None, "fc": None, "network": None}
        pruned = frozenset(x.name for x in best.layers if x.pruned)
        return {
            "pruned_layers": _ratio(base.total("cycles", only=pruned),
                                    best.total("cycles", only=pruned)),
            "fc": _ratio(base.total("cycles", ("fc",)), best.total("cycles", ("fc",))),
            "network": _ratio(base.cycles, best.cycles),
        }

    def energy_ratios(self) -> dict[str, dict[str, Interval]] | None:
        """Energy of dense-1 over pruned-N with its interval, for the pruned layers, all fully
        connected ones and the network: of everything, without external memory, and of the
        core alone (clock, logic, memories and fabric). None where it was not counted."""
        base, best = self.arm("dense-1"), self.best
        if base is None or best is None or base.features() is None or best.features() is None:
            return None
        pruned = frozenset(x.name for x in best.layers if x.pruned)
        column, result = self.energy_model.coefficients, {}
        for name, kinds, only in (("pruned_layers", ("conv", "fc"), pruned),
                                  ("fc", ("fc",), None), ("network", ("conv", "fc"), None)):
            a, b = base.features(kinds, only), best.features(kinds, only)
            if a is None or b is None or not a.counts or not b.counts:
                continue
            result[name] = {
                "total": ratio(a, b, column),
                "without_external": ratio(a, b, column,
                                          tuple(c for c in CATEGORIES if c != "external")),
                "core": ratio(a, b, column, CORE)}
        return result

    @property
    def best(self) -> "ArmReport | None":
        """The pruned arm on several instances."""
        return next((a for a in self.arms if a.name.startswith("pruned-") and a.instances > 1),
                    None)

    def to_dict(self) -> dict:
        """The JSON form; `sw/report/schema.json` describes it."""
        data = dataclasses.asdict(self)
        ratios = self.energy_ratios()
        for arm, arm_data in zip(self.arms, data["arms"], strict=True):
            arm_data["bit_exact"] = arm.bit_exact
            arm_data["energy"] = arm.energy(self.energy_model, self.images)
            for so_far, layer_data in zip(arm.so_far, arm_data["layers"], strict=True):
                layer_data["so_far"] = None if so_far is None else {
                    "cycles": so_far.cycles, "limit_cycles": so_far.limit.cycles,
                    "bound": so_far.limit.bound, "efficiency": round(so_far.efficiency, 4)}
        return {
            "schema": SCHEMA_NAME, "version": SCHEMA_VERSION, **data,
            "bit_exact": self.bit_exact, "speedup": self.speedup,
            "energy_ratio": None if ratios is None else {
                k: {n: dataclasses.asdict(i) for n, i in v.items()} for k, v in ratios.items()},
            "published": {"pruned_layers": PUBLISHED_SPEEDUP, "energy": PUBLISHED_ENERGY,
                          "source": "arXiv 1901.11391"},
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1)


def _ratio(a: int | None, b: int | None) -> float | None:
    return round(a / b, 4) if a and b else None


_NO = Text("NO", style="red")


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _mega(value: int | None) -> str:
    return "-" if value is None else f"{value / 1e6:,.1f}"


def _arm_table(arm: ArmReport) -> Table:
    ports = "one shared port" if arm.memory == "shared" else "a port for each instance"
    count = "1 instance" if arm.instances == 1 else f"{arm.instances} instances, {ports}"
    if arm.name.endswith("-big"):
        count = "1 instance with the MACs of all"
    table = Table(title=f"{arm.name}: {count}", title_justify="left", title_style="bold",
                  box=None, pad_edge=False, header_style="dim")
    table.add_column("layer", no_wrap=True, max_width=30)
    skips = any(x.skipped_macs is not None for x in arm.layers)
    counted = any(x.toggles is not None for x in arm.layers)
    for name, shown in (("MACs", True), ("skipped", skips), ("cycles", True), ("to here", True),
                        ("limit", True), ("eff.", True), ("port bytes", True), ("skipped", skips),
                        ("Mtoggles", counted), ("Mff-cycles", counted and not skips)):
        if shown:
            table.add_column(name, justify="right", no_wrap=True)

    def skipped(value: int | None) -> list[str]:
        return [_number(value)] if skips else []

    def toggles(made: int | None, clocked: int | None) -> list[str]:
        return [_mega(made), _mega(clocked)][:counted * (1 if skips else 2)]

    table.add_column("split", no_wrap=True)
    table.add_column("exact", no_wrap=True)
    for x, y in zip(arm.layers, arm.so_far, strict=True):
        to_here = ("-", "-", "-") if y is None else (
            _number(y.cycles), _number(y.limit.cycles), f"{y.efficiency:.1%}")
        table.add_row(x.name + (" *" if x.pruned else ""), _number(x.macs),
                      *skipped(x.skipped_macs), _number(x.cycles), *to_here,
                      _number(x.port_bytes), *skipped(x.skipped_bytes),
                      *toggles(x.toggles, x.clocked_ff_cycles), x.split,
                      "yes" if x.bit_exact else _NO)
    table.add_section()
    spared = [sum(getattr(x, f"skipped_{what}") or 0 for x in arm.layers)
              for what in ("macs", "bytes")]
    table.add_row("total", _number(arm.total("macs")), *skipped(spared[0]), _number(arm.cycles),
                  "", "", "", _number(arm.total("port_bytes")), *skipped(spared[1]),
                  *toggles(arm.total("toggles"), arm.total("clocked_ff_cycles")), "",
                  "yes" if arm.bit_exact else _NO)
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


def _energy_table(report: Report) -> Table:
    model = report.energy_model
    table = Table(title=f"energy per image, uJ: {model.coefficients.label}, {model.external}, "
                  f"{model.clock_mhz:g} MHz", title_justify="left", title_style="bold", box=None,
                  pad_edge=False, header_style="dim")
    table.add_column("arm")
    for name in (*CATEGORIES, "all", "FC layers", "EDP, uJ ms"):
        table.add_column(name, justify="right", no_wrap=True)
    values = model.coefficients.values()
    for arm in report.arms:
        split, fc = arm.energy(model, report.images), arm.features(("fc",))
        if split is None or fc is None:
            continue
        per_image = [split[c] / report.images / 1e6 for c in CATEGORIES]
        table.add_row(arm.name, *(f"{v:,.1f}" for v in (
            *per_image, sum(per_image), sum(fc.energy(values).values()) / report.images / 1e6,
            split["joule_seconds"] * 1e9)))
    return table


def _ratio_table(ratios: dict[str, dict[str, Interval]]) -> Table:
    table = Table(title="energy of dense-1 over the pruned arm, 95% of samples between",
                  title_justify="left", title_style="bold", box=None, pad_edge=False,
                  header_style="dim")
    table.add_column("")
    for name in ("pruned layers", "all fully connected", "whole network"):
        table.add_column(name, justify="right")
    for key, label in (("total", "with external memory"),
                       ("without_external", "without external memory"),
                       ("core", "core: clock, logic, memories, fabric")):
        table.add_row(label, *(
            f"{i.value:.2f}x ({i.low:.2f}-{i.high:.2f})" if (i := ratios.get(k, {}).get(key))
            else "-" for k in ("pruned_layers", "fc", "network")))
    table.add_row("published", f"{PUBLISHED_ENERGY:.2f}x", "-", "-", style="dim")
    return table


def print_report(report: Report, console: Console) -> None:
    """Print what a person wants to see, the headline last."""
    port = report.config["port"]
    array = report.config["array"]
    console.print(Text(printable(report.network), style="bold") + printable(f", {report.weights}"))
    console.print(f"Arrays of {array['rows']}x{array['cols']} MACs, {port['bytes']} bytes per "
                  f"cycle per port, {report.memory_model['latency_cycles']} cycles of memory "
                  "latency; "
                  "the same clock, ports and arrays in every arm.")
    if report.batch > 1:
        console.print(f"{report.images} images, {report.batch} at a time: batched layers take all "
                      "of them together, and read their weights once.")
    for arm in report.arms:
        console.print()
        console.print(_arm_table(arm))
    console.print("\n* partition-pruned.  to here: cycles of all layers up to this one; limit: of "
                  "these layers, what no design with these MACs and ports can beat, however layers "
                  "overlap; eff. = limit / to here.\nMtoggles: millions of flip-flop toggles.  "
                  "Mff-cycles: millions of flip-flops clocked, summed over cycles.\ntaps packed: "
                  "the host lays out the kernel's taps as input channels, so that few channels "
                  "fill the array.",
                  style="dim")
    if report.accuracy:
        console.print()
        console.print("accuracy: " + ", ".join(f"{k} {v:.2%}" for k, v in report.accuracy.items()))
    console.print()
    console.print(_speedup_table(report))
    ratios = report.energy_ratios()
    if any(a.features() is not None for a in report.arms):
        console.print()
        console.print(_energy_table(report))
    if ratios:
        console.print()
        console.print(_ratio_table(ratios))
        if not report.energy_model.coefficients.calibrated:
            console.print("this column is not calibrated: published values, not fitted to gates",
                          style="dim")
    for note in report.notes:
        console.print(note, style="dim")
    console.print()
    console.print("every layer of every arm is bit-exact against the golden model."
                  if report.bit_exact else
                  Text("at least one layer differs from the golden model.", style="red"))
