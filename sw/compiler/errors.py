"""What can be wrong with a network for an accelerator."""

__all__ = ["CompileError", "DoesNotFit", "Unsupported"]


class CompileError(ValueError):
    """A layer that cannot be compiled; the message names it."""

    def __init__(self, layer: str, message: str):
        super().__init__(f"layer {layer}: {message}")
        self.layer = layer


class DoesNotFit(CompileError):
    """A layer that is too large for the accelerator's memories."""

    exit_code = 4

    def __init__(self, layer: str, needs: str, has: str, remedy: str):
        super().__init__(layer, f"needs {needs}; there are {has}: {remedy}")


class Unsupported(CompileError):
    """A layer whose shape has no encoding in the instruction format."""
