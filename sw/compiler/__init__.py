"""Compiles integer networks to programs."""

from .compile import compile_graph
from .errors import CompileError, DoesNotFit, Unsupported
from .program import LayerInfo, Program, ProgramError

__all__ = ["CompileError", "DoesNotFit", "LayerInfo", "Program", "ProgramError", "Unsupported",
           "compile_graph"]
