"""An instance's program as it comes from the memory."""

from hw.config import Config
from hw.isa import INSN_BYTES, READ_AHEAD_BYTES

from .clock import TINY, Clock
from .flow import PROGRAM, Flow
from .port import Port
from .queueing import Asker

__all__ = ["Program"]

# Latencies in cycles.
_START = 8  # from START to the first request of a program
#: From a beat of the program to the start of the instruction that it completes; one more where
#: instances share the port.
_DECODE = 10

_BURST_BYTES = 64


class Program:
    """Beats that are read ahead.

    Members
    -------
    flow : the beats that its FIFO has room for
    insn_beats : beats of an instruction
    missing : beats until the next instruction is complete
    fetching : whether beats are asked for of which none has come
    """

    def __init__(self, config: Config, clock: Clock, port: Port, owner: Asker, meets: bool):
        self._clock, self._port, self._owner = clock, port, owner
        self._decode = _DECODE + meets
        self.insn_beats = INSN_BYTES / config.port.bytes
        self.missing: float = self.insn_beats
        self.fetching = True
        self.flow = Flow(PROGRAM, None, READ_AHEAD_BYTES / config.port.bytes, 1.0,
                         max(1.0, _BURST_BYTES / config.port.bytes),
                         _START + port.memory.latency + port.memory.page_miss + self._decode)
        clock.at(self.flow.ready, self._arrive)

    def take(self, *, last: bool) -> None:
        """Take an instruction; after the last one comes END, with which no more is asked for than
        is under way."""
        flow = self.flow
        self.missing += self.insn_beats
        flow.left += self.insn_beats
        if last:
            flow.left = min(flow.left, self.insn_beats + max(flow.burst, flow.share))
        if flow in self._port.active:
            if flow.left > flow.burst:  # else its share is the same
                self._port.dirty = True
            flow.retime()
        elif not last and not self.fetching and flow.left > flow.burst - TINY:
            self.fetching = True
            flow.ready = (self._clock.now + self._decode + self._port.memory.latency
                          + self._port.queue())
            self._clock.at(flow.ready, self._arrive)

    def _arrive(self, _: None) -> None:
        """A beat is there, and others follow."""
        self.fetching = False
        self._port.add(self.flow, [self._owner])
        self._owner.fetched()
