"""Options that several commands have, each defined once: one name, one meaning everywhere.

An accelerator's are in `hw.options`.
"""

import argparse
from collections.abc import Iterable
from typing import Any

from hw.options import JSON
from hw.support.arguments import (
    IMAGES,
    JOBS,
    PARTITIONS,
    SEED,
    Items,
    array_size,
    file_path,
    integer,
    real,
    word,
)
from sim.settings import LIMITS
from sw.energy.coefficients import CLOCKS_MHZ, GATINGS, columns
from sw.images.names import CROPS, ORDERS
from sw.prune.names import PARTITIONERS, PRUNINGS

from .networks import ListNetworks, input_shape, network_name

__all__ = ["DATA", "ENERGY", "MORE", "NETWORK", "PARTS", "add_options", "as_typed", "attribute",
           "changed"]

#: Option -> what argparse makes it of; where there is a default, its text goes on to tell it.
_SHARED: dict[str, dict[str, Any]] = {
    "--network": {"type": network_name, "default": "tinyvgg16", "metavar": "NETWORK",
                  "help": "what runs: a name, an ONNX file, a .pt2 file of torch.export, or "
                  "FILE.py:callable or package.module:callable that gives a torch.nn.Module"},
    "--list-networks": {"action": ListNetworks, "help": "print the names that --network knows"},
    "--weights": {"type": file_path, "metavar": "FILE",
                  "help": "safetensors that go into the module of a callable, or into tinyvgg16"},
    "--input-shape": {"type": input_shape, "metavar": "CxHxW",
                      "help": "one image of a network of your own, where its file does not say"},
    "--partitions": {"type": PARTITIONS, "default": 8, "metavar": "P",
                     "help": "diagonal blocks of the pruned layers"},
    "--prune": {"choices": PRUNINGS, "default": "fc",
                "help": "prune the linear layers but the classifier, or all layers but the first "
                "and the classifier"},
    "--plan": {"type": file_path, "metavar": "FILE",
               "help": "prune a network of your own by this plan, a .plan.json as sw.train writes "
               "it, which says how many partitions of which layers"},
    "--partitioner": {"choices": PARTITIONERS, "help": "how partitions are chosen"},
    "--images": {"type": IMAGES, "metavar": "N", "help": "images to run"},
    "--data": {"type": file_path, "metavar": "PLACE",
               "help": "images, and labels if they have some: a folder with a folder for each "
               "class, an .npz file (images, labels), or FILE.py:callable"},
    "--calibration": {"type": file_path, "metavar": "PLACE",
                      "help": "images that step sizes are chosen on, as --data (default: others "
                      "of --data, of few the same; else seeded ones)"},
    "--labels": {"type": word, "metavar": "NAMES",
                 "help": "of the outputs in order: a file with one a line, or A,B,C (default: the "
                 "folders' names)"},
    "--size": {"type": integer(1, 10_000), "metavar": "N",
               "help": "pixels of an image's shorter side before the crop (default: the least "
               "that covers the input)"},
    "--crop": {"choices": CROPS,
               "help": "centre, or none: the whole image, whatever its proportions (default "
               "centre)"},
    "--mean": {"type": Items(real(-1000, 1000), "0.485,0.456,0.406"), "metavar": "X,X,X",
               "help": "of pixels from 0 to 1, one number or one for each channel (default 0)"},
    "--deviation": {"type": Items(real(0, 1000, above=True), "0.229,0.224,0.225"),
                    "metavar": "X,X,X", "help": "likewise; x = (pixel - mean) / deviation (default "
                    "1)"},
    "--channels": {"choices": ORDERS,
                   "help": "order of an image's channels (default rgb; grey for an input of one)"},
    "--symmetric": {"action": "store_const", "const": True,
                    "help": "quantise a network of your own without zero points, whatever is lost: "
                    "0 stands for 0"},
    "--seed": {"type": SEED, "default": 1, "help": "of all that is random"},
    "--epochs": {"type": integer(1, 100_000), "metavar": "N", "help": "of training"},
    "--arrays": {"type": Items(array_size, "4x4,8x8"), "metavar": "RxC,RxC",
                 "help": "arrays of multipliers, rows and columns"},
    "--latency": {"type": integer(*LIMITS["latency_cycles"]), "default": 40, "metavar": "CYCLES",
                  "help": "of external memory"},
    "--jobs": {"type": JOBS, "metavar": "N", "help": "how many run at a time"},
    "--energy-column": {"choices": tuple(columns()), "default": "sky130",
                        "help": "technology of the coefficients"},
    "--external": {"type": word, "default": "lpddr4", "metavar": "KIND",
                   "help": "external memory: lpddr4, lpddr or ddr3"},
    "--clock-mhz": {"type": real(*CLOCKS_MHZ), "default": 100.0, "metavar": "F",
                    "help": "nominal clock, for time and leakage"},
    "--gating": {"choices": tuple(GATINGS), "default": "registers",
                 "help": "what has clock gates: registers by their enables; memories by theirs as "
                 "well; or nothing"},
    "--no-background": {"action": "store_true",
                        "help": "leave out what external memory takes when nothing is moved"},
    "--json": JSON,
    "--save": {"type": file_path, "metavar": "FILE", "help": "also write the JSON to a file"},
    "--plot": {"type": file_path, "metavar": "FILE.svg", "help": "also write a figure"},
    "--quiet": {"action": "store_true", "help": "no progress"},
}
#: The default of --partitions where a user's network may run.
PARTS = "default 8; of a network of your own the most up to 8 that go"
#: Those that say what runs, and those that say on which images.
NETWORK = ("--network", "--list-networks", "--weights", "--input-shape")
DATA = ("--data", "--calibration", "--labels", "--size", "--crop", "--mean", "--deviation",
        "--channels", "--symmetric")
#: Of both, those that go on to say what --network names.
MORE = (*NETWORK[2:], *DATA)
#: Of these, how pixels become what a network takes.
PIXELS = ("--size", "--crop", "--mean", "--deviation", "--channels")
#: Those that are an `EnergyModel`.
ENERGY = ("--energy-column", "--external", "--clock-mhz", "--gating", "--no-background")


def attribute(option: str) -> str:
    """What an option is called among parsed arguments."""
    return option.removeprefix("--").replace("-", "_")


def as_typed(args: argparse.Namespace, names: Iterable[str]) -> list[str]:
    """Options and their values, of those that are given, as one types them."""
    given = ((name, getattr(args, attribute(name))) for name in names)
    return [part for name, value in given if value is not None
            for part in ((name,) if value is True else
                         (f"{name}={_text(value)}",) if _text(value).startswith("-") else
                         (name, _text(value)))]


def changed(args: argparse.Namespace, names: Iterable[str]) -> list[str]:
    """Those of options that have another value than where nobody gives them."""
    return [name for name in names
            if getattr(args, attribute(name)) != _SHARED[name].get("default", False)]


def _text(value: object) -> str:
    if isinstance(value, tuple):  # of a shape
        return "x".join(map(str, value))
    return ",".join(f"{x:g}" for x in value) if isinstance(value, list) else str(value)


def add_options(group: argparse._ActionsContainer, *names: str, note: str = "",
                **changes: Any) -> None:
    """Add options by name.

    Parameters
    ----------
    note : what this command adds to their text, in place of the default
    **changes : their `default`, or fewer `choices`
    """
    for name in names:
        settings = _SHARED[name] | changes
        default = settings.get("default")
        more = note or (f"default {default:g}" if isinstance(default, int | float) else
                        f"default {default}" if default is not None else "")
        group.add_argument(name, **settings | {
            "help": settings["help"] + (f" ({more})" if more else "")})
