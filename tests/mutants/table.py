"""All mutants."""

from .blocks import CONTROL, FABRIC, PARTS, SHELL
from .board import BOARD
from .data import COMPUTE, INSTANCE, TRAFFIC
from .mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: tuple[Mutant, ...] = (
    *PARTS, *CONTROL, *FABRIC, *SHELL, *TRAFFIC, *COMPUTE, *INSTANCE, *BOARD)
