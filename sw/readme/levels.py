"""Time and energy with fewer partitions and at levels of supply, as `sw.scale` gives them."""

from hw.support.markdown import markdown_table
from sw.data import stored
from sw.energy.levels import Level

__all__ = ["levels_table", "ranges_table"]

_FILE = "levels-digits.json"


def _level(point: dict) -> str:
    return str(Level(**point["level"]))


def levels_table() -> str:
    """Of each number of partitions: accuracy, cycles, and time and energy at each level; `*` marks
    those of which no other is better in all three."""
    report = stored(_FILE)
    points = {(p["active"], _level(p)): p for p in report["points"]}
    levels = list(dict.fromkeys(level for _, level in points))
    rows: list[tuple] = []
    for measured in report["measured"]:
        chosen = [points[measured["active"], level] for level in levels]
        rows.append((measured["active"], f"{100 * measured['accuracy']:.1f}",
                     f"{measured['cycles']:,.0f}",
                     *(f"{p['time_us']:,.0f} us, {p['energy_nj'] / 1e3:,.2f} uJ"
                       f"{' *' if p['front'] else ''}" for p in chosen)))
    return markdown_table(("active", "int8 top-1 %", "cycles", *levels), rows)


def ranges_table() -> str:
    """Largest over smallest energy and time."""
    report = stored(_FILE)
    ranges, first = report["ranges"], _level(report["points"][0])
    words = {"dropping": f"partitions alone, at {first}", "all": "partitions and levels",
             "all_chip": "partitions and levels, without external memory"}
    rows = [(text, *(f"{ranges[name][k]:.1f}x" for k in ("energy", "time")))
            for name, text in words.items()]
    published = report["published_range"]
    rows.append(("published, with a choice of processor and levels",
                 *(f"{published[k]}x" for k in ("energy", "time"))))
    return markdown_table(("range, largest over smallest", "energy", "time"), rows)
