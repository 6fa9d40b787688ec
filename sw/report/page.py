"""The report as one page of HTML: self-contained, readable offline, light and dark, printable."""

from sw.energy.model import CATEGORIES

from .charts import roofline
from .elements import FILLS, bar_chart, document, escaped, html_table, legend
from .energy import EnergyUnit
from .graph import CAUSE_WORDS, CAUSES, graph_key, graph_view
from .published import PUBLISHED_ENERGY, PUBLISHED_SPEEDUP, is_published
from .values import ArmReport, Report

__all__ = ["render"]


def _published(report: Report, value: float, layers: str) -> str:
    told = is_published(report.network) and layers == "pruned_layers"
    return f"; published of TinyVGG16 {value}x" if told else ""


def _all(images: int) -> str:
    """What sums are of, as a heading goes on to say it."""
    return f", all {images} images" if images > 1 else ""


def _of(report: Report) -> str:
    """Which images ran, in words."""
    together = f", {report.batch} at a time" if report.batch > 1 else ""
    return f" of {report.images} images{together}" if report.images > 1 else ""


def _tiles(report: Report) -> str:
    speed = report.speedup
    tiles = []
    for key, label in (("pruned_layers", "pruned layers"), ("fc", "all fully connected"),
                       ("network", "network")):
        value = speed.get(key)
        if value is not None:
            extra = _published(report, PUBLISHED_SPEEDUP, key)
            tiles.append((f"{value:.2f}x", f"faster than dense-1, {label}{extra}"))
    if report.best and (gain := report.pruning_gain(report.best)):
        tiles.append((f"{gain:.2f}x", f"faster than dense on the same {report.best.instances} "
                      "instances, network"))
    ratios = report.energy_ratios() or {}
    for key, label in (("pruned_layers", "pruned layers"), ("network", "network")):
        for part, words in (("total", "with external memory"), ("core", "core alone")):
            found = ratios.get(key, {}).get(part)
            if found is not None:
                extra = _published(report, PUBLISHED_ENERGY, key)
                tiles.append((f"{found.value:.2f}x", f"less energy than dense-1, {label}, {words}: "
                              f"{found.low:.2f} to {found.high:.2f}{extra}"))
    head = f"<p>{escaped(report.best.name)} is</p>" if tiles and report.best else ""
    return head + '<div class=tiles>' + "".join(
        f"<div class=tile><b>{v}</b><span>{escaped(t)}</span></div>" for v, t in tiles) + "</div>"


def _skipped(value: int | None) -> str:
    return "" if value is None else f"<br><small>{value:,} skipped</small>"


def _arm(arm: ArmReport, unit: EnergyUnit, images: int) -> str:
    rows = []
    for x, y in zip(arm.layers, arm.so_far, strict=True):
        to_here = ("-", "-", "-") if y is None else (
            f"{y.cycles:,}", f"{y.limit.cycles:,}", f"{y.efficiency:.1%}")
        energy = unit.text(None if x.energy_pj is None else sum(x.energy_pj.values()))
        rows.append((
            escaped(x.name) + (" *" if x.pruned else ""), f"{x.macs:,}{_skipped(x.skipped_macs)}",
            f"{x.cycles:,}", *to_here,
            f"{x.port_bytes:,}{_skipped(x.skipped_bytes)}",
            "-" if x.toggles is None else f"{x.toggles / 1e6:,.1f}", energy, escaped(x.split),
            "yes" if x.bit_exact else '<span class=bad>NO</span>'))
    total = arm.total
    ports = "" if arm.instances == 1 else f", {escaped(arm.memory)} port" + (
        "s" if arm.memory == "private" else "")
    heading = (f"{escaped(arm.name)}: {arm.instances} instance{'s'[:arm.instances - 1]}{ports}"
               + _all(images))
    return (f"<details><summary>{heading}</summary>"
            + html_table(("layer", "MACs", "cycles", "to here", "limit", "limit / to here",
                      "port bytes", "toggles, M", f"energy, {unit.name}", "split", "exact"), rows,
                     text=(0, 9, 10),
                     foot=("total", f"{total('macs'):,}", f"{arm.cycles:,}",
                           "", "", "", f"{total('port_bytes'):,}", "", "", "", ""))
            + "</details>")


def _arms(report: Report) -> str:
    """What each arm came to, and the same as bars."""
    base, rows = report.arms[0], []
    for arm in report.arms:
        split = arm.energy(report.energy_model, report.images)
        rows.append((
            escaped(arm.name), str(arm.instances), f"{arm.macs_per_cycle:,}",
            f"{arm.cycles / report.images:,.0f}",
            f"{base.cycles / arm.cycles:.2f}x" if arm.cycles else "-",
            "-" if (gain := report.pruning_gain(arm)) is None else f"{gain:.2f}x",
            report.energy_unit.text(None if split is None else split["joules_per_image"] * 1e12),
            "yes" if arm.bit_exact else '<span class=bad>NO</span>'))
    return html_table(("arm", "instances", "MACs a cycle", "cycles per image",
                       f"{escaped(base.name)} over it", "against dense on the same",
                       f"{report.energy_unit.name} per image",
                       "exact"), rows, text=(0, 7), spare=(1, 2, 5))


def _ledger(arm: ArmReport, images: int) -> str:
    """Who waits for what, of each instance; the graph has it layer by layer."""
    names = [CAUSE_WORDS[c] for c in CAUSES]
    rows = [(f"instance {i}", [c.get(n, 0) / 1e3 for n in CAUSES])
            for i, c in enumerate(arm.counters)]
    return bar_chart(rows, names, "thousand cycles", arm.name + _all(images), keyed=False)


def _energy(report: Report) -> str:
    model, rows = report.energy_model, []
    for arm in report.arms:
        split = arm.energy(model, report.images)
        if split is not None:
            rows.append((arm, split))
    if not rows:
        return "<p>Activity was not counted in this run.</p>"
    column = model.coefficients
    backed = "fitted to gates" if column.calibrated else "uncalibrated: published values only"
    unit = report.energy_unit
    bars = bar_chart([(a.name, [s[c] / report.images / unit.pj for c in CATEGORIES])
                      for a, s in rows],
                 CATEGORIES, unit.name, f"Energy per image, {unit.name}. {column.label} "
                 f"({backed}); external memory {model.external}; {model.clock_mhz:g} MHz for "
                 "leakage.")
    edp = html_table(("arm", f"{unit.name} per image", "ms per image",
                      f"energy times delay, {unit.name} ms"), [
        (escaped(a.name), unit.text(s["joules_per_image"] * 1e12),
         f"{a.cycles / report.images / model.clock_mhz / 1e3:,.2f}",
         unit.text(s["joule_seconds"] * 1e15)) for a, s in rows])
    own = ""
    if report.best is not None:
        per = [x.instance_pj for x in report.best.layers if x.instance_pj is not None]
        rows_own = [(f"instance {i}", [sum(p[i] for p in per) / report.images / unit.pj])
                    for i in range(report.best.instances)]
        own = bar_chart(rows_own, ["own energy"], unit.name, f"{report.best.name}: clock, logic, "
                        f"memories and leakage of each instance, {unit.name} per image")
    table = html_table(("coefficient", "value", "unit", "error", "source"), [
        (escaped(n), f"{c.value:g}", escaped(c.unit), f"{c.error:.0%}", escaped(c.source))
        for n, c in column.coefficients.items()], prose=(2, 4))
    return f"{bars}{edp}{own}<details><summary>Coefficients</summary>{table}</details>"


def _partition(report: Report) -> str:
    """Weight matrices of the pruned layers, before and after reordering."""
    parts = []
    for picture in report.pictures:
        rows, columns = len(picture.before), len(picture.before[0])
        wide, high = 220 / columns, 220 / rows

        def squares(matrix, at: float, wide: float = wide, high: float = high) -> str:
            top = max(max(r) for r in matrix) or 1
            return "".join(
                f'<rect x="{at + c * wide:.1f}" y="{r * high:.1f}" width="{wide + .3:.1f}" '
                f'height="{high + .3:.1f}" fill="{FILLS[0]}" fill-opacity="{v / top:.2f}"/>'
                for r, row in enumerate(matrix) for c, v in enumerate(row) if v > 0.02 * top)

        frame = 'fill="none" class=axis width="220" height="220"'
        parts.append(
            f'<figure><svg viewBox="0 0 480 226" style="max-width:40rem" role="img" '
            f'aria-label="weights of {escaped(picture.layer)}">{squares(picture.before, 0)}'
            f'<rect x="0" y="0" {frame}/>{squares(picture.after, 250)}'
            f'<rect x="250" y="0" {frame}/></svg><figcaption>{escaped(picture.layer)}, {rows} x '
            f"{columns} cells</figcaption></figure>")
    if not parts:
        return "<p>No layer is pruned in this run.</p>"
    return (f"<p>Mean |w|, inputs across, outputs down; dense on the left, on the right pruned to "
            f"{report.partitions} blocks with channels in the order of their parts.</p>"
            + "".join(parts))


def render(report: Report) -> str:
    """Return the page."""
    config = report.config
    accuracy = ""
    if report.accuracy:
        accuracy = "<h2>Accuracy</h2>" + html_table(
            ("network", "share of labels"),
            [(escaped(k), f"{v:.2%}") for k, v in report.accuracy.items()])
    exact = ("Every layer of every arm equals the golden model bit for bit." if report.bit_exact
             else '<span class=bad>At least one layer differs from the golden model.</span>')
    facts = [
        ("network", report.network), ("weights", report.weights),
        ("array", f"{config['array']['rows']} x {config['array']['cols']} MACs"),
        ("instances", config["instances"]),
        ("port", f"{config['port']['bytes']} bytes per cycle, {config['port']['memory']}"),
        ("memory model", ", ".join(f"{k.replace('_', ' ')} {v}"
                                   for k, v in report.memory_model.items())),
        ("seed", report.seed),
        ("versions", ", ".join(f"{k} {v}" for k, v in report.versions.items())),
        *(("" if k else "notes", note) for k, note in enumerate(report.notes))]
    ledgers = "".join(_ledger(a, report.images) for a in report.arms)
    heading = f"{escaped(report.network)} on {config['instances']} accelerators"
    return document(report.network, f"""<h1>{heading}</h1>
<p>Cycles, bytes and activity were counted in RTL simulation{_of(report)}; energy is activity times
the coefficients below, with the range that their errors allow. {exact}</p>
{_tiles(report)}
{_arms(report)}
<h2>The network</h2>{graph_key()}
{graph_view(report.best or report.arms[-1], report.images)}
<h2>Layers</h2>
<p>To here: cycles of all layers up to this one. Limit: of these layers, what no design with these
MACs and ports can beat, however layers overlap. * partition-pruned.</p>
{"".join(_arm(a, report.energy_unit, report.images) for a in report.arms)}
<h2>Who waits for what</h2><p>Each instance's cycles by cause, thousands; they sum to the run.</p>
{legend([CAUSE_WORDS[c] for c in CAUSES])}{ledgers}
<h2>Roofline</h2>{roofline(report)}
<h2>Energy</h2>{_energy(report)}
<h2>Partition</h2>{_partition(report)}
{accuracy}
<h2>What ran</h2><dl>{"".join(f"<dt>{escaped(k)}</dt><dd>{escaped(v)}</dd>"
                              for k, v in facts)}</dl>
<p>Again with: <code>{escaped(report.command)}</code></p>""")
