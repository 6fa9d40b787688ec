"""Small boards for tests: two instances, a ULX3S's SDRAM at its clock or block RAM, a fast link."""

import random

from boards.gateware.chips import ULX3S_SDRAM
from boards.gateware.settings import SystemConfig
from boards.host.client import SerialBackend
from boards.virtual.board import VirtualBoard
from hw.config import PRESETS

__all__ = ["CONFIG", "MICROCODED", "RAM", "SDRAM", "Wire", "backend"]

CONFIG = PRESETS["tiny"]
SDRAM = SystemConfig(config=CONFIG, clock_mhz=50, baud=8_000_000, sdram=ULX3S_SDRAM,
                     powerup_us=5.0)
RAM = SystemConfig(config=CONFIG.replace(instances=1), clock_mhz=80, baud=13_000_000,
                   ram_bytes=1 << 16)
MICROCODED = SystemConfig(config=PRESETS["ice40up5k"].replace(buffers__acc_depth=32),
                          clock_mhz=80, baud=13_000_000, ram_bytes=1 << 17)


class Wire:
    """A transport straight into a virtual board: time is the board's, not the machine's.

    `spoil(data, to_board)` may change what passes. A board that has had all bytes and has been
    silent for `_SILENCE_CYCLES` stays so: the rest of a timeout passes without being simulated.
    """

    _SILENCE_CYCLES = 4000  # no answer has a gap as long as this in it

    def __init__(self, board: VirtualBoard, spoil=lambda data, to_board: data):
        self.board, self.spoil = board, spoil
        self._skipped_s = 0.0

    def write(self, data: bytes) -> None:
        self.board.feed(self.spoil(data, True))

    def clock(self) -> float:
        return self._skipped_s + self.board.cycles / (1e6 * self.board.system.clock_mhz)

    def read_some(self, timeout_s: float) -> bytes:
        end, silent = self.clock() + timeout_s, 0
        while self.clock() < end:
            self.board.run(60)
            data = self.board.take()
            if data:
                return self.spoil(data, False)
            silent = 0 if self.board.unsent or self.board.running else silent + 60
            if silent >= self._SILENCE_CYCLES:
                self._skipped_s += max(0.0, end - self.clock())
        return b""


def backend(board: VirtualBoard, spoil=lambda data, to_board: data) -> SerialBackend:
    """The real client on a virtual board, with timeouts in the board's time; runs repeat."""
    wire = Wire(board, spoil)
    return SerialBackend(board.system.config, wire, timeout_s=1e-4, clock=wire.clock,
                         baud=board.system.baud, chance=random.Random(board.cycles))
