"""What can be wrong with a network for an accelerator."""

from hw.config import Config

__all__ = ["CompileError", "DoesNotFit", "OutOfReach", "Unsupported", "raising"]


class CompileError(ValueError):
    """A `layer`, or a network, that cannot be compiled; the message names it, and says `why`."""

    def __init__(self, layer: str, why: str, kind: str = "layer"):
        super().__init__(f"{kind} {layer}: {why}")
        self.layer, self.why = layer, why


class DoesNotFit(CompileError):
    """A layer, or a network, that is too large for the accelerator's memories."""

    exit_code = 4

    def __init__(self, layer: str, needs: str, has: str, remedy: str, kind: str = "layer"):
        super().__init__(layer, f"needs {needs}; there are {has}: {remedy}", kind)


class OutOfReach(DoesNotFit):
    """A network that needs more external memory than can be addressed: `bytes` of it."""

    def __init__(self, network: str, needs: int, config: Config):
        bits = config.port.address_bits
        super().__init__(
            network, f"{needs:,} bytes of external memory", f"2^{bits} ({1 << bits:,}) that "
            "port.address_bits reaches", raising(config, "port.address_bits",
                                                 (needs - 1).bit_length(),
                                                 "prune it into more partitions"), "network")
        self.bytes = needs


class Unsupported(CompileError):
    """A layer whose shape has no encoding in the instruction format."""


def raising(config: Config, field: str, needed: int, *others: str) -> str:
    """The remedies for a memory that is too small: to raise a field, if it can be, or `others`.

    Parameters
    ----------
    field : str
        Such as "buffers.act_words"; buffers are powers of two.
    needed : int
        The least value that would do.
    """
    value = 1 << (needed - 1).bit_length() if field.startswith("buffers.") else needed
    try:
        config.replace(**{field.replace(".", "__"): value})
    except ValueError:
        return f"{', or '.join(others)}; no {field} is enough"
    return ", or ".join([f"raise {field}", *others])
