"""A layer with what the passes before emission have decided."""

from dataclasses import dataclass

from sw.graph.integer import Layer

from .memory import LayerPlan
from .nodes import Node
from .split import Split
from .steps import Step, steps_of, with_tables

__all__ = ["Stage"]


@dataclass(frozen=True)
class Stage:
    """A layer with what the passes before have decided.

    Members: `barrier`, the values that others may read once all instances have met before the
    layer, empty where they do not meet; whether its output is stored (`store`).
    """

    node: Node
    split: Split
    plan: LayerPlan
    barrier: tuple[int, ...]
    store: bool

    @property
    def layer(self) -> Layer:
        return self.node.layer

    def steps(self, instance: int) -> tuple[Step, ...]:
        """An instance's COMPUTEs for one stripe; empty without an item."""
        item, stripes = self.split.items[instance], self.plan.stripes[instance]
        if item is None:
            return ()
        return with_tables(self.layer, steps_of(self.node, item, self.plan, stripes[0]))

    def vectors(self, instance: int) -> int:
        """Vectors of activations that an instance's array takes, zeros and all."""
        tiles = sum((s.blocks[1] - s.blocks[0]) * (s.inputs[1] - s.inputs[0])
                    * self.node.reads[s.read].taps * s.times for s in self.steps(instance))
        return tiles * sum(stripe[0].pixels for stripe in self.plan.stripes[instance])
