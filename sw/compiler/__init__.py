"""Compiles integer networks to programs."""

from sw.lowering.errors import CompileError, DoesNotFit, OutOfReach, Unsupported

from .compile import compile_graph
from .program import LayerInfo, Program, ProgramError, require_log

__all__ = ["CompileError", "DoesNotFit", "LayerInfo", "OutOfReach", "Program", "ProgramError",
           "Unsupported", "compile_graph", "require_log"]
