"""Networks of small layers on many arrays, and on one as large as they are together."""

from hw.support.markdown import markdown_table
from sw.data import stored

from .pricing import priced

__all__ = ["small_table"]

_WORDS = {"digits": "digits, 32 and 64 channels",
          "tinyvgg16-slim": "TinyVGG16 of a quarter of the width, 16 to 128 channels"}


def small_table() -> str:
    """Cycles and energy of eight arrays of 8x8 beside one of 16x32, at the same port."""
    rows: list[tuple] = []
    for run in stored("small-networks.json"):
        arms = {a["name"]: a for a in run["arms"]}
        pruned = {x["name"] for x in arms["pruned-8"]["layers"] if x["pruned"]}
        for form in ("dense", "pruned"):
            many, one = arms[f"{form}-8"], arms[f"{form}-big"]
            cells: list[str] = []
            for only in (lambda x: x["kind"] == "conv", lambda x, p=pruned: x["name"] in p,
                         lambda x: True):
                a, b = (sum(x["cycles"] for x in arm["layers"] if only(x)) for arm in (many, one))
                cells.append(f"{a:,} / {b:,}: {b / a:.2f}x")
            energy = [priced(arm["layers"]) / 1e6 for arm in (many, one)]
            rows.append((_WORDS[run["network"]], form, *cells,
                         f"{energy[0]:,.0f} / {energy[1]:,.0f}"))
    return markdown_table(("network", "form", "convolutions", "fc1, fc2", "network", "uJ"), rows)
