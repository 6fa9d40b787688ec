"""How far energy's ratios are apart over images and sets of weights."""

from collections.abc import Callable

from hw.support.markdown import markdown_table
from sw.data import stored
from sw.energy.model import EnergyModel, ratio

from .pricing import activity

__all__ = ["spread_table"]


def _ratios(base: dict, best: dict, only: Callable[[dict], bool]) -> list[float]:
    """Energy of an arm over another's, of each image."""
    sums = [[sum(image) for image in zip(*(x["image_pj"] for x in arm["layers"] if only(x)),
                                         strict=True)] for arm in (base, best)]
    return [a / b for a, b in zip(*sums, strict=True)]


def _interval(base: dict, best: dict, only: Callable[[dict], bool]) -> str:
    """What the coefficients' errors make of the ratio over all images."""
    found = ratio(activity(base, only), activity(best, only), EnergyModel())
    return f"{found.value:.2f}x ({found.low:.2f} to {found.high:.2f})"


def spread_table() -> str:
    """Energy of digits, dense over pruned on eight: of one set of weights with the coefficients'
    interval, from image to image, and from one set of weights to another."""
    runs = [{a["name"]: a for a in run["arms"]} for run in stored("spread-digits.json")]
    pruned = {x["name"] for x in runs[0]["pruned-8"]["layers"] if x["pruned"]}
    groups = {"pruned layers": lambda x: x["name"] in pruned, "whole network": lambda x: True}
    rows: list[tuple] = []
    for name, label in (("dense-1", "dense on 1"), ("dense-8", "dense on 8")):
        for group, only in groups.items():
            images = [_ratios(run[name], run["pruned-8"], only) for run in runs]
            means = [sum(x) / len(x) for x in images]
            rows.append((f"{label}, {group}", _interval(runs[0][name], runs[0]["pruned-8"], only),
                         f"{min(images[0]):.3f}x to {max(images[0]):.3f}x",
                         ", ".join(f"{m:.3f}x" for m in means)))
    return markdown_table(("over pruned on 8", "coefficients, 95%", "images of one set of weights",
                           "mean of each set of weights"), rows)
