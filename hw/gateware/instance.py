"""One accelerator instance: units around an activation memory, behind a port and registers."""

from amaranth.hdl import EnableInserter, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import wiring

from hw.gateware.control.counters import Counters
from hw.gateware.control.runstate import RunState
from hw.gateware.signatures.ports import READERS, Core
from hw.gateware.traffic.gates import ReadGate, WriteGate
from hw.isa import UNITS, ErrorCode

from .blocks import Blocks
from .causes import choose_cause
from .exchange import MemoryAnswers, Outstanding, count_outstanding, take_answers
from .faults import Fault, choose_fault
from .progress import doze, follow_progress

__all__ = ["Instance"]

#: Cycles after which it is known of everything that the memory fabric took before an instance
#: stopped.
_HALT_CYCLES = 6


class Instance(Core):
    """Run programs independently of the other instances.

    On an error, and when it is stopped, the units are held in reset until what the memory still
    owes has come and what was granted has been completed without effect; then the run ends. A
    start resets the units, so the next program finds nothing of the one before. Its members are
    those of `Core`.

    What comes from the memory is looked at a cycle after it has come: an instance lies far from
    the port.
    """

    def elaborate(self, platform):
        m = Module()
        config, memory, control = self._config, self.memory, self.control
        m.submodules.run = run = RunState()
        running, halting = run.running, run.halting
        clear = Signal()  # from a register: it reaches most of an instance
        m.d.sync += clear.eq(control.start | halting)
        clears = Signal()  # a start, a cycle later
        begins = Signal()  # two cycles later
        starting = Signal()  # either
        refusal = Signal(ErrorCode)  # of a program or window that is not where it may be
        m.d.sync += [clears.eq(control.start), begins.eq(clears), refusal.eq(self.refusal)]
        m.d.comb += starting.eq(clears | begins)
        blocks = Blocks.of(config)
        blocks.place(m, ResetInserter(clear))
        counters = Counters(config, len(UNITS))
        asleep = Signal()
        m.d.comb += asleep.eq(control.dozing & ~control.wake)
        m.submodules.counters = EnableInserter(~asleep)(counters)
        answers = take_answers(m, memory, config)

        self._connect_instructions(m, blocks, counters, begins & (refusal == ErrorCode.NONE))
        self._connect_data(m, blocks)
        self._connect_port(m, blocks, answers, run)
        outstanding = count_outstanding(m, blocks, memory, answers, config)
        progress = follow_progress(m, config, blocks, control, memory, run, clear, outstanding)
        fault = choose_fault(
            m, blocks, control, progress, refusal=Mux(begins, refusal, ErrorCode.NONE))
        doze(m, control.dozing,
             ~(progress.moved | control.wake | starting | halting | counters.logging)
             & ~fault.happens & (fault.caught == ErrorCode.NONE)
             & (progress.waits | ~running))
        self._connect_run(m, run, fault, starting, progress.finished, outstanding)
        self._connect_counters(m, counters, choose_cause(
            m, blocks, idle=~running | halting, port_wait=outstanding.wait))
        return m

    def _connect_instructions(self, m: Module, blocks: Blocks, counters: Counters,
                              begins: Value) -> None:
        """Programs to the sequencer, its instructions to the units, their completions back."""
        connect, control = wiring.connect, self.control
        sequencer, loader, path = blocks.sequencer, blocks.loader, blocks.path
        connect(m, sequencer.o_load, loader.i)
        connect(m, sequencer.o_store, blocks.storer.i)
        connect(m, sequencer.o_weights, blocks.weights.i)
        connect(m, sequencer.o_compute, path.i)
        connect(m, sequencer.o_ahead, path.i_ahead)
        connect(m, sequencer.o_post, path.i_post)
        for n, (unit, pulse) in enumerate(blocks.done.items()):
            connect(m, pulse, getattr(sequencer, f"done_{unit}"))
            m.d.comb += [counters.marks[n].eq(pulse.valid & pulse.mark),
                         counters.layers[n].eq(pulse.layer)]
        m.d.comb += [loader.barrier.eq(sequencer.o_barrier), sequencer.start.eq(begins),
                     sequencer.program.eq(control.program)]

    def _connect_data(self, m: Module, blocks: Blocks) -> None:
        """Activations and weights to the data path, and back."""
        connect, control = wiring.connect, self.control
        path, acts, weights = blocks.path, blocks.acts, blocks.weights
        connect(m, path.act_read, acts.compute)
        connect(m, path.act_write, acts.post)
        connect(m, blocks.loader.acts, acts.load)
        connect(m, blocks.storer.acts, acts.store)
        connect(m, weights.chunks, path.chunks)
        if self._config.array.zero_skip:
            connect(m, path.needs, weights.needs)
            connect(m, weights.rows, path.rows)
            connect(m, path.release, weights.release)
            m.d.comb += [control.spared.eq(path.spared),
                         control.spared_layer.eq(path.spared_layer)]

    def _connect_port(self, m: Module, blocks: Blocks, answers: MemoryAnswers,
                      run: RunState) -> None:
        """Requests through their gates to the memory port, and answers back."""
        connect, memory, control = wiring.connect, self.memory, self.control
        loader, storer, gates, writes = blocks.loader, blocks.storer, blocks.gates, blocks.writes
        connect(m, storer.req, writes.i)
        connect(m, storer.data, writes.i_data)
        connect(m, wiring.flipped(memory.wr), writes.o)
        connect(m, wiring.flipped(memory.wr_data), writes.o_data)
        for kind, unit in blocks.readers.items():
            connect(m, unit.req, gates[kind].i)
            connect(m, wiring.flipped(getattr(memory, f"rd_{kind.name.lower()}")), gates[kind].o)
            m.d.comb += [unit.ret.valid.eq(answers.returned_to[READERS.index(kind)]),
                         unit.ret.data.eq(answers.data), unit.ret.error.eq(answers.spoilt)]
        every: list[ReadGate | WriteGate] = [*gates.values(), writes]
        m.d.comb += [
            storer.ret.valid.eq(answers.acknowledged), storer.ret.error.eq(answers.refused),
            writes.halt.eq(run.halting),
            *(x.base.eq(self.window_base) for x in every),
            *(x.window_bytes.eq(control.window_bytes) for x in every),
            memory.arrive.eq(loader.arrive), memory.mask.eq(loader.mask),
            loader.release.eq(memory.release), memory.alive.eq(run.running & ~run.halting),
        ]

    def _connect_run(self, m: Module, run: RunState, fault: Fault, starting: Signal,
                     finished: Signal, outstanding: Outstanding) -> None:
        """Begin and end runs. Units are reset in the first cycle after a start and begin in the
        second."""
        control = self.control
        halted = Signal(range(_HALT_CYCLES + 1))
        with m.If(~run.halting):
            m.d.sync += halted.eq(0)
        with m.Elif(halted != _HALT_CYCLES):
            m.d.sync += halted.eq(halted + 1)
        m.d.comb += [
            run.start.eq(control.start), run.fault.eq(Mux(starting, ErrorCode.NONE, fault.caught)),
            run.finished.eq(finished & ~starting),
            run.clean.eq((halted == _HALT_CYCLES) & ~outstanding.any),
            control.running.eq(run.running), control.done.eq(run.done),
            control.error.eq(run.error), control.error_code.eq(run.code),
        ]
        with m.If(control.start):
            m.d.sync += [control.error_layer.eq(0), control.error_opcode.eq(0)]
        with m.Elif(run.catches):
            m.d.sync += [control.error_layer.eq(fault.layer),
                         control.error_opcode.eq(fault.opcode)]

    def _connect_counters(self, m: Module, counters: Counters, cause: Signal) -> None:
        """Count a cycle for its cause, and show the log."""
        control = self.control
        counted = Signal()
        m.d.sync += [counted.eq(control.counting),
                     # in the cycle in which that before is said to count
                     counters.cause.eq(cause)]
        m.d.comb += [
            # where any instance begins, which may not be this one
            counters.clear.eq(control.counting & ~counted), counters.counting.eq(control.counting),
            counters.slept.eq(control.slept),
            counters.log_select.eq(control.log_select), control.log_data.eq(counters.log_data),
            control.log_count.eq(counters.log_count), control.log_lost.eq(counters.log_lost),
            control.log_busy.eq(counters.busy),
            control.mark_valid.eq(counters.mark_valid), control.mark_layer.eq(counters.mark_layer),
        ]
