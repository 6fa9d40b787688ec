"""What running a program by its meaning gives, and how it can fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hw.isa import ErrorCode

__all__ = ["Hazard", "IssResult", "Stopped"]


class Hazard(RuntimeError):
    """The program relies on something that the hardware does not promise."""


class Stopped(Exception):
    """An instance's error; members `code` (ErrorCode), `layer`, `opcode`."""

    def __init__(self, code: int, insn: Mapping[str, int] | None = None):
        self.code = ErrorCode(code)
        super().__init__(self.code.name)
        self.layer = insn["layer"] if insn else 0
        self.opcode = insn["opcode"] if insn else 0


@dataclass
class IssResult:
    """What a run left behind.

    Members: `memory` uint8[bytes]; `errors` by instance; `marks` for each instance the layers
    in the order in which they were logged; `instructions` dispatched in total.
    """

    memory: np.ndarray
    errors: dict[int, Stopped] = field(default_factory=dict)
    marks: dict[int, list[int]] = field(default_factory=dict)
    instructions: int = 0
