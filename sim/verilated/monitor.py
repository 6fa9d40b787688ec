"""What the harness' monitor of the memory ports is told as it is compiled."""

from pathlib import Path

from hw.registers import INSTANCE, INSTANCE_BASE, INSTANCE_STRIDE

__all__ = ["MONITOR_HEADER", "MONITOR_MACRO"]

MONITOR_HEADER = Path(__file__).parent / "harness" / "monitor.h"
_REGISTERS = (INSTANCE_BASE, INSTANCE_STRIDE,
              *(INSTANCE[name].offset for name in ("PROGRAM", "WINDOW_BASE", "WINDOW_BYTES")))
MONITOR_MACRO = f"-DPARTITA_REGISTERS={','.join(map(str, _REGISTERS))}"
