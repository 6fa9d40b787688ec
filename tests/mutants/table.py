"""All mutants."""

from .blocks import CONTROL, PARTS, SHELL
from .mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: tuple[Mutant, ...] = (*PARTS, *CONTROL, *SHELL)
