"""Stored activity of layers, and what it takes by today's coefficients."""

from collections.abc import Callable

from sw.energy.model import EnergyModel, Features

__all__ = ["activity", "priced"]


def activity(arm: dict, only: Callable[[dict], bool]) -> Features:
    """The activity of an arm's layers together, of those that `only` takes."""
    return sum((Features(x["activity"]) for x in arm["layers"] if only(x)), Features({}))


def priced(layers: list[dict], model: EnergyModel | None = None) -> float:
    """pJ of layers; by the headline's model, if no other is given."""
    price = (model or EnergyModel()).values()
    return sum(sum(Features(x["activity"]).energy(price).values()) for x in layers)
