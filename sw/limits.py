"""The physical limit of a layer: cycles that no design with these MACs and ports can beat."""

from dataclasses import dataclass

from hw.config import Config

__all__ = ["Limit", "images_limit", "layer_limit"]


@dataclass(frozen=True)
class Limit:
    """A layer's limit in `cycles`, and what sets it: `bound` is "compute" or "memory"."""

    cycles: int
    bound: str


def layer_limit(macs: int, weight_bytes: int, config: Config) -> Limit:
    """Return max(macs / MACs per cycle, weight bytes / port bytes per cycle), rounded.

    Each multiply-accumulate takes one slot of one array, and each weight crosses a memory port
    once. Activations are free, as they may stay on chip.

    Parameters
    ----------
    macs : int
        Multiply-accumulates of the layer as it is executed (pruned blocks are not counted).
    weight_bytes : int
        Its weights, one byte each.
    config : Config
        All instances and all ports work on the layer.
    """
    compute = macs / (config.instances * config.array.macs)
    memory = weight_bytes / (config.ports * config.port.bytes)
    return Limit(round(max(compute, memory)), "compute" if compute >= memory else "memory")


def images_limit(macs: int, weight_bytes: int, config: Config, images: int, batch: int) -> Limit:
    """Return the sum of `layer_limit` over batches: in each, every weight crosses a port once.

    Parameters
    ----------
    macs, weight_bytes : int
        As `layer_limit`, `macs` of one image.
    images : int
        How many, the last batch being what is left of them.
    batch : int
        Images at a time.
    """
    whole = layer_limit(batch * macs, weight_bytes, config)
    full, rest = divmod(images, batch)
    last = layer_limit(rest * macs, weight_bytes, config) if rest else Limit(0, whole.bound)
    return Limit(full * whole.cycles + last.cycles, whole.bound if full else last.bound)
