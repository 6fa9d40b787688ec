"""The energy model's coefficients, and how well they fit the gates."""

from hw.support.markdown import markdown_table
from sw.data import stored
from sw.energy.coefficients import columns, macros
from sw.energy.fit import Sample, logic_errors, validate
from sw.energy.model import memory_sizes

__all__ = ["calibration_table", "coefficients_table", "macros_table"]


def calibration_table() -> str:
    """Errors of the energy model against gates that its fit did not see."""
    found = stored("calibration.json")
    samples, paths = [Sample(**s) for s in found["samples"]], found["paths"]
    errors, logic = validate(samples), logic_errors(samples)
    clock = columns()["sky130"].coefficients["clock"].value
    rows: list[tuple] = []
    for array in dict.fromkeys(s.array for s in samples):
        mine = [k for k, s in enumerate(samples) if s.array == array]
        cells: list[str] = []
        for told in (errors["stimulus"], errors["array"], logic):
            sizes = [abs(error) for k in mine if (error := told[k]) is not None]
            cells.append(f"{sum(sizes) / len(sizes):.1%} / {max(sizes):.1%}")
        shares = [samples[k].glitch_share for k in mine if samples[k].logic_pj]
        idle = next(samples[k] for k in mine if samples[k].stimulus == "idle")
        clocks = [samples[k].clock_pj / samples[k].gates_pj for k in mine]
        rows.append((array, len(mine), f"{samples[mine[0]].flip_flops:,}",
                     f"{paths[array]['longest_ns']:.1f} of {paths[array]['asked_ns']:g}", *cells,
                     f"{min(clocks):.0%} to {max(clocks):.0%}",
                     f"{sum(shares) / len(shares):.0%}", f"{idle.gates_pj / idle.cycles:.1f}",
                     f"{idle.flip_flops * clock:.0f}"))
    return markdown_table(("array", "stimuli", "flip-flops", "longest path, ns",
                           "stimulus left out, mean / largest",
                           "array left out, mean / largest", "the same without clock pins",
                           "clock pins' share", "glitches add to logic",
                           "idle, pJ per cycle", "without clock gates"), rows)


def coefficients_table() -> str:
    """The energy model's coefficients."""
    table = columns()
    names = list(next(iter(table.values())).coefficients)
    rows = []
    for name in names:
        cells = [c.coefficients[name] for c in table.values()]
        rows.append((f"`{name}`", *(f"{c.value:g} (+-{c.error:.0%})" for c in cells),
                     cells[0].unit, cells[0].source))
    return markdown_table(("coefficient", *table, "unit", "source of the first column"), rows)


def macros_table() -> str:
    """Published memory macros, beside what the model makes of their shapes."""
    price = columns()["sky130"].values()
    rows: list[tuple] = []
    for macro in macros():
        access, idle = memory_sizes(macro.bits, macro.depth)
        read = price["memory_access"] * access
        rows.append((
            f"{macro.name} ({macro.commit})", f"{macro.read_pj / macro.bits:.2f}",
            f"{read / macro.bits:.2f}", f"{macro.idle_mw / macro.read_mw:.0%}",
            f"{price['memory_idle'] * idle / read:.0%}",
            f"{macro.leakage_mw * 1e9 / (macro.bits * macro.depth):.0f}",
            f"{price['static_memory'] * 1e6:.0f}"))
    return markdown_table(("macro", "read, pJ a bit", "model", "idle / read", "model",
                           "leakage, pW a bit", "model"), rows)
