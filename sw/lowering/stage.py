"""A layer with what the passes before emission have decided."""

from dataclasses import dataclass
from math import prod

from sw.graph.integer import Layer

from .plan import LayerPlan
from .split import Split
from .steps import Step, steps_of

__all__ = ["Stage"]


@dataclass(frozen=True)
class Stage:
    """A layer with what the passes before have decided."""

    layer: Layer
    split: Split
    plan: LayerPlan
    barrier: bool
    store: bool

    def steps(self, instance: int) -> tuple[Step, ...]:
        """An instance's COMPUTEs for one stripe; empty without an item."""
        item, stripes = self.split.items[instance], self.plan.stripes[instance]
        if item is None:
            return ()
        return steps_of(item, self.plan, stripes[0], self.layer.in_shape[2])

    def vectors(self, instance: int) -> int:
        """Vectors of activations that an instance's array takes, zeros and all."""
        tiles = sum((s.blocks[1] - s.blocks[0]) * (s.inputs[1] - s.inputs[0])
                    for s in self.steps(instance)) * prod(self.layer.kernel)
        return tiles * self.layer.conv_shape[2] * sum(
            stripe.conv[1] - stripe.conv[0] for stripe in self.plan.stripes[instance])
