"""What goes wrong with an accelerator, as the driver tells it."""

from dataclasses import dataclass

from hw.isa import ErrorCode, Opcode

__all__ = ["ConfigMismatch", "CountersWrapped", "DriverError", "InstanceError", "InstanceFault",
           "StillRunning", "StopFailed", "TimeoutExpired", "WindowError"]


class DriverError(RuntimeError):
    """The accelerator could not do what was asked."""

    exit_code = 1


class WindowError(DriverError, ValueError):
    """A memory window where the accelerator can have none."""

    exit_code = 2


class ConfigMismatch(DriverError):
    """A program for another configuration, or hardware that is not a Partita."""


class TimeoutExpired(DriverError):
    """The accelerator did not finish within its cycles; it has been stopped."""


class StillRunning(DriverError):
    """What was asked for needs an accelerator that does not run."""


class CountersWrapped(DriverError):
    """A run took more cycles than the accelerator can count."""


class StopFailed(DriverError):
    """The accelerator did not stop."""


@dataclass(frozen=True)
class InstanceFault:
    """Why an instance stopped: `instance`, `code`, and the `layer` and `opcode` at fault."""

    instance: int
    code: ErrorCode
    layer: str
    opcode: Opcode | None


class InstanceError(DriverError):
    """One or more instances stopped; `faults` tells each."""

    def __init__(self, faults: list[InstanceFault]):
        self.faults = tuple(faults)
        super().__init__("; ".join(
            f"instance {f.instance} stopped in layer {f.layer}"
            + (f" at {f.opcode.name}" if f.opcode else "")
            + f": {f.code.name} ({f.code.value})" for f in faults))
