"""All instances and ports of an accelerator, and their time."""

import itertools

from sw.lowering.batch import Run
from sw.lowering.lower import Lowered

from .clock import Clock
from .fifo import Fifo
from .instance import Instance
from .memory import SIMULATED, MemoryTiming
from .port import Port
from .work import Worker

__all__ = ["Machine"]

_END = 2  # cycles from the last operation's end to that of the instance


class Machine:
    """An accelerator that is about to start on a network, with a memory."""

    def __init__(self, lowered: Lowered, memory: MemoryTiming = SIMULATED):
        config = lowered.config
        self._clock = clock = Clock()
        self._ends: dict[Run, float] = dict.fromkeys(lowered.order, 0.0)
        self._settling: list[Fifo] = []
        worker = Worker(config)
        running = [k for k, ops in enumerate(lowered.ops) if ops]
        ports = [Port(config, clock, memory) for _ in
                 (running if config.port.memory == "private" else running[:1])]
        self._ports = ports
        self._instances = [
            Instance(k, [worker.work(op) for op in lowered.ops[k] or []], config, clock,
                     ports[at % len(ports)], self._settling, self._ends)
            for at, k in enumerate(running)]
        for x in self._instances:
            x.peers = self._instances

    def run(self) -> list[float]:
        """Ends of what runs in turn, the last that of everything.

        Raises
        ------
        RuntimeError
            If nothing goes on before all is done: a fault of the model, or of the program.
        """
        clock, instances, ports, settling = (
            self._clock, self._instances, self._ports, self._settling)
        while clock.step():
            for x in instances:
                if x.todo:
                    x.visit()
            now, again = clock.now, True
            while again:
                again = False
                for port in ports:
                    if port.dirty or now > port.stale:
                        port.divide()
                for fifo in settling:
                    again |= fifo.settle()
                settling.clear()
        for x in instances:
            if x.undone:
                raise RuntimeError(f"the cycle model came to a stop with {x.undone} operations of "
                                   f"instance {x.number} left to do")
        *ends, last = self._ends.values()
        return list(itertools.accumulate([*ends, max(last, clock.now) + _END], max))
