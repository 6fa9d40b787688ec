"""What more instances cost in clock and area, and what they give at it."""

from hw.fpga.placed import placed
from hw.support.markdown import markdown_table
from sw.data import stored
from sw.energy.model import EnergyModel

from .pricing import priced

__all__ = ["clocks_table"]


def clocks_table() -> str:
    """Area and clock after place and route, and what an image of digits takes at that clock: time,
    and energy by an FPGA's coefficients; `*` where it was placed before the last change."""
    runs = {(run["instances"], run["array"]): run["arms"][0]
            for run in stored("clocks-digits.json")}
    rows: list[tuple] = []
    for place in placed():
        arm, mhz = runs[place["instances"], place["array"]], place["fmax_mhz"]
        energy = priced(arm["layers"], EnergyModel("fpga", clock_mhz=mhz))
        name = f"{place['instances']} of {place['array']}" + " *" * ("earlier" in place)
        rows.append((name, f"{place['luts']:,}",
                     place["dsps"], place["block_rams"], f"{mhz:.1f}", f"{arm['cycles']:,}",
                     f"{arm['cycles'] / mhz / 1000:.2f}", f"{energy / 1e6:,.0f}"))
    return markdown_table(("arrays", "LUTs", "DSPs", "block RAMs", "MHz", "cycles of an image",
                           "ms", "uJ"), rows)
