"""How to train, as numbers."""

from dataclasses import dataclass

__all__ = ["AUGMENTS", "INCREMENTAL", "FitError", "Recipe"]

#: What can be changed of training images in each step.
AUGMENTS = ("flip", "crop")


class FitError(ValueError):
    """Training that cannot start or go on; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """How to train. `rate` is the peak of AdamW's rate, after a warm-up over `warm_up` of the
    steps; a cosine takes it to zero. Pruned weights fade over the first `gradual` of the steps.
    `distil` is the share of the loss that the teacher has, at a temperature."""

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

    def validate(self) -> None:
        """Raise FitError naming the field, its value and its rule."""
        for name, good, rule in (
                ("epochs", self.epochs >= 0, "0 or more"), ("batch", self.batch >= 2, "2 or more"),
                ("rate", 0 < self.rate <= 10, "above 0, at most 10"),
                ("gradual", 0 <= self.gradual <= 1, "from 0 to 1"),
                ("distil", 0 <= self.distil <= 1, "from 0 to 1")):
            if not good:
                raise FitError(f"{name} is {getattr(self, name)}; it must be {rule}")


#: A partition of digits that are trained one partition after another.
INCREMENTAL = Recipe(20, 64, 3e-3, 0, weight_decay=1e-2, smoothing=0.05)
