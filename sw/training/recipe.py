"""How to train, as numbers."""

from dataclasses import dataclass

__all__ = ["AUGMENTS", "INCREMENTAL", "PRECISIONS", "FitError", "Recipe"]

#: What can be changed of training images in each step.
AUGMENTS = ("flip", "crop")
#: What products of a step are taken in; weights and what is learnt are float32.
PRECISIONS = ("float32", "bfloat16")


class FitError(ValueError):
    """Training that cannot start or go on; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """How to train. `rate` is the peak of AdamW's rate, after a warm-up over `warm_up` of the
    steps; a cosine takes it to zero. Pruned weights fade over the first `gradual` of the steps.
    `distil` is the share of the loss that the teacher has, at a temperature. `dropout` is the
    share of inputs that drop-out takes, where a network has it; None for the network's own."""

    epochs: int
    batch: int
    rate: float
    seed: int
    weight_decay: float = 0.02
    smoothing: float = 0.1
    warm_up: float = 0.1
    gradual: float = 0.0
    distil: float = 0.0
    temperature: float = 2.0
    dropout: float | None = None
    precision: str = "float32"

    def validate(self) -> None:
        """Raise FitError naming the field, its value and its rule."""
        for name, good, rule in (
                ("epochs", self.epochs >= 0, "0 or more"), ("batch", self.batch >= 2, "2 or more"),
                ("rate", 0 < self.rate <= 10, "above 0, at most 10"),
                ("gradual", 0 <= self.gradual <= 1, "from 0 to 1"),
                ("distil", 0 <= self.distil <= 1, "from 0 to 1"),
                ("dropout", self.dropout is None or 0 <= self.dropout <= 0.9, "from 0 to 0.9"),
                ("precision", self.precision in PRECISIONS, " or ".join(PRECISIONS))):
            if not good:
                raise FitError(f"{name} is {getattr(self, name)}; it must be {rule}")


#: A partition of digits that are trained one partition after another.
INCREMENTAL = Recipe(20, 64, 3e-3, 0, weight_decay=1e-2, smoothing=0.05)
