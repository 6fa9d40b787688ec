"""Whether an instance runs, and how its run ended."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa import ErrorCode

__all__ = ["RunState"]


class RunState(wiring.Component):
    """Keep an instance's state from one START to the next.

    A start begins a run, whatever comes with it. The run ends when it has `finished`, unless a
    fault has come, or comes in that cycle: then it halts, and ends when it is `clean`.

        start _/T\\________________________       start _/T\\________________________
        running __/TTTTTTTTTTTT\\__________       running __/TTTTTTTTTTTTTTTTT\\_____
        finished ____________/T\\__________       fault _________/T\\________________
        done    _______________/TTTTTTTTTT       halting _________/TTTTTTTTT\\_____
                                                 clean ________________/TTT\\_____
                                                 error ___________________/TTTTT

    Members
    -------
    start : pulse
    fault : `ErrorCode` of what makes the run halt, NONE of nothing; ignored while none runs
    finished : 1, the program has ended
    clean : 1, what a halting run has to wait for is over
    running : 1, from a start to the end of its run
    halting : 1, the run ends with an error as soon as it is clean
    catches : 1, this fault is the one with which it halts, `code` from the next cycle on
    done, error : 1, the last run has ended so; neither while one runs
    code : `ErrorCode` of the last run

    Timing
    ------
    What is told of a run changes in the cycle after its cause; `catches` is 1 in that of the fault.

    Resources
    ---------
    Four flip-flops and an `ErrorCode`.
    """

    start: Signal
    fault: Signal
    finished: Signal
    clean: Signal
    running: Signal
    halting: Signal
    catches: Signal
    done: Signal
    error: Signal
    code: Signal

    def __init__(self):
        super().__init__({
            "start": In(1), "fault": In(ErrorCode), "finished": In(1), "clean": In(1),
            "running": Out(1), "halting": Out(1), "catches": Out(1), "done": Out(1),
            "error": Out(1), "code": Out(ErrorCode),
        })

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.catches.eq(self.running & ~self.halting & ~self.start
                                    & (self.fault != ErrorCode.NONE))
        with m.If(self.start):
            m.d.sync += [self.running.eq(1), self.halting.eq(0), self.done.eq(0),
                         self.error.eq(0), self.code.eq(ErrorCode.NONE)]
        with m.Elif(self.catches):
            m.d.sync += [self.halting.eq(1), self.code.eq(self.fault)]
        with m.Elif(self.halting):
            with m.If(self.clean):
                m.d.sync += [self.running.eq(0), self.halting.eq(0), self.error.eq(1)]
        with m.Elif(self.running & self.finished):
            m.d.sync += [self.running.eq(0), self.done.eq(1)]
        return m
