"""A comparison as tables in a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hw.support.console import short
from hw.support.text import printable
from sw.energy.model import CATEGORIES, Interval

from .published import PUBLISHED_ENERGY, PUBLISHED_SPEEDUP, is_published
from .values import ArmReport, Report, quotient

__all__ = ["print_report"]

_NO = Text("NO", style="red")
#: Columns that all of a table takes, and characters of a name that it has room for.
_WIDE, _SHORT = 108, 16


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _mega(value: int | None) -> str:
    return "-" if value is None else f"{value / 1e6:,.1f}"


def _arm_table(arm: ArmReport, images: int, *, narrow: bool) -> Table:
    ports = "one shared port" if arm.memory == "shared" else "a port for each instance"
    count = "1 instance" if arm.instances == 1 else f"{arm.instances} instances, {ports}"
    if arm.name.endswith("-big"):
        count = "1 instance with the MACs of all"
    summed = f", all {images} images" if images > 1 else ""
    table = Table(title=f"{arm.name}: {count}{summed}", title_justify="left", title_style="bold",
                  box=None, pad_edge=False, header_style="dim")
    table.add_column("layer", min_width=8)
    skips = any(x.skipped_macs is not None for x in arm.layers)
    counted = any(x.toggles is not None for x in arm.layers) and not narrow
    tight = skips or max((len(x.name) for x in arm.layers), default=0) > _SHORT
    for name, shown in (("MACs", True), ("skipped", skips), ("cycles", True),
                        ("to here", not narrow), ("limit", not narrow), ("eff.", True),
                        ("port bytes", True), ("skipped", skips), ("Mtoggles", counted),
                        ("Mff-cycles", counted and not tight)):
        if shown:
            table.add_column(name, justify="right", no_wrap=True)

    def skipped(value: int | None) -> list[str]:
        return [_number(value)] if skips else []

    def toggles(made: int | None, clocked: int | None) -> list[str]:
        return [_mega(made), _mega(clocked)][:counted * (1 if tight else 2)]

    if not narrow:
        table.add_column("split")
    table.add_column("exact", no_wrap=True)
    for x, y in zip(arm.layers, arm.so_far, strict=True):
        to_here = ("-", "-", "-") if y is None else (
            _number(y.cycles), _number(y.limit.cycles), f"{y.efficiency:.1%}")
        table.add_row(short(x.name + (" *" if x.pruned else ""), _SHORT if narrow else 30),
                      _number(x.macs),
                      *skipped(x.skipped_macs), _number(x.cycles), *to_here[2 * narrow:],
                      _number(x.port_bytes), *skipped(x.skipped_bytes),
                      *toggles(x.toggles, x.clocked_ff_cycles),
                      *([] if narrow else [short(x.split, 30)]), "yes" if x.bit_exact else _NO)
    table.add_section()
    spared = [sum(getattr(x, f"skipped_{what}") or 0 for x in arm.layers)
              for what in ("macs", "bytes")]
    table.add_row("total", _number(arm.total("macs")), *skipped(spared[0]), _number(arm.cycles),
                  *["", "", ""][2 * narrow:], _number(arm.total("port_bytes")), *skipped(spared[1]),
                  *toggles(arm.total("toggles"), arm.total("clocked_ff_cycles")),
                  *([] if narrow else [""]), "yes" if arm.bit_exact else _NO)
    return table


def _speedup_table(report: Report, base: ArmReport) -> Table:
    table = Table(title="cycles, against dense-1", title_justify="left", title_style="bold",
                  box=None, pad_edge=False, header_style="dim")
    table.add_column("arm")
    for name in ("pruned layers", "all fully connected", "whole network",
                 "against dense on the same", "toggles, network"):
        table.add_column(name, justify="right")
    pruned = frozenset(x.name for a in report.arms for x in a.layers if x.pruned)

    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}x"

    for arm in report.arms:
        table.add_row(
            arm.name,
            cell(quotient(base.total("cycles", only=pruned), arm.total("cycles", only=pruned))),
            cell(quotient(base.total("cycles", ("fc",)), arm.total("cycles", ("fc",)))),
            cell(quotient(base.cycles, arm.cycles)),
            cell(report.pruning_gain(arm)),
            cell(quotient(base.total("toggles"), arm.total("toggles"))))
    if report.best and is_published(report.network):
        table.add_row("TinyVGG16, published", f"{PUBLISHED_SPEEDUP:.2f}x", *4 * "-", style="dim")
    return table


def _energy_table(report: Report, *, narrow: bool) -> Table:
    model = report.energy_model
    shown = () if narrow else CATEGORIES
    unit = report.energy_unit
    table = Table(title=f"energy per image, {unit.name}: {model.coefficients.label}, "
                  f"{model.external}, {model.clock_mhz:g} MHz", title_justify="left",
                  title_style="bold", box=None, pad_edge=False, header_style="dim")
    table.add_column("arm", no_wrap=True)
    for name in (*shown, "all", "FC layers", f"EDP, {unit.name} ms"):
        table.add_column(name, justify="right", no_wrap=True)
    values = model.values()
    for arm in report.arms:
        split, fc = arm.energy(model, report.images), arm.features(("fc",))
        if split is None or fc is None:
            continue
        per_image = {c: split[c] / report.images for c in CATEGORIES}
        table.add_row(arm.name, *map(unit.text, (
            *(per_image[c] for c in shown), sum(per_image.values()),
            sum(fc.energy(values).values()) / report.images, split["joule_seconds"] * 1e15)))
    return table


def _ratio_table(ratios: dict[str, dict[str, Interval]], *, published: bool) -> Table:
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
    if published:
        table.add_row("TinyVGG16, published", f"{PUBLISHED_ENERGY:.2f}x", "-", "-", style="dim")
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
    narrow = console.width < _WIDE
    if narrow:
        console.print(f"In {_WIDE} columns the tables tell more.", style="dim")
    for arm in report.arms:
        console.print()
        console.print(_arm_table(arm, report.images, narrow=narrow))
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
    if base := report.arm("dense-1"):
        console.print()
        console.print(_speedup_table(report, base))
    ratios = report.energy_ratios()
    if any(a.features() is not None for a in report.arms):
        console.print()
        console.print(_energy_table(report, narrow=narrow))
    if ratios:
        console.print()
        console.print(_ratio_table(ratios, published=is_published(report.network)))
        if (spread := report.image_ratios()) and len(spread) > 1:
            console.print(f"over {len(spread)} images, pruned layers with external memory: "
                          f"{min(spread):.2f}x to {max(spread):.2f}x")
        if not report.energy_model.coefficients.calibrated:
            console.print("this column is not calibrated: published values, not fitted to gates",
                          style="dim")
    for note in report.notes:
        console.print(note, style="dim")
    console.print()
    console.print("every layer of every arm is bit-exact against the golden model."
                  if report.bit_exact else
                  Text("at least one layer differs from the golden model.", style="red"))
