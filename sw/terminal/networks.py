"""How a command line names a network, and the shape of its images."""

import argparse

from hw.support.arguments import integer
from sw.networks.names import NETWORKS
from sw.networks.naming import UnknownNetwork, origin_of

__all__ = ["ListNetworks", "input_shape", "network_name"]

_SIDE = integer(1, 1 << 16)
_SHAPE = "CxHxW, such as 3x224x224 or 3,224,224, or a vector's length"


def network_name(text: str) -> str:
    """Reads what names a network; that a file is there is looked at when it is opened."""
    try:
        origin_of(text)
    except UnknownNetwork as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def input_shape(text: str) -> tuple[int, int, int]:
    """Reads the shape of one image [C, H, W]; of a vector [C, 1, 1], of rows [C, 1, L]."""
    parts = text.split("," if "," in text else "x")
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"is {text[:40]!r}; it must be {_SHAPE}")
    sizes = [_SIDE(part) for part in parts]
    if len(sizes) == 2:
        return sizes[0], 1, sizes[1]
    channels, rows, columns = sizes if len(sizes) == 3 else (sizes[0], 1, 1)
    return channels, rows, columns


class ListNetworks(argparse.Action):
    """Prints the networks that come with it, and ends the program, as --help does."""

    def __init__(self, option_strings, dest, **options):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS,
                         **options)

    def __call__(self, parser, namespace, values, option_string=None):
        width = max(map(len, NETWORKS)) + 2
        print("\n".join(f"{name:{width}}{text}" for name, text in NETWORKS.items()))
        parser.exit()
