"""The state of an SDRAM's banks, and what must be waited for."""

from dataclasses import dataclass

from amaranth.hdl import Array, Module, Signal

from hw.config import ceil_log2

from .chips import SdramTiming

__all__ = ["Banks", "count_waits"]


@dataclass(frozen=True)
class Banks:
    """The state of the chip's banks.

    Members
    -------
    is_open : [banks] a row is open, one of `rows`
    since_active : cycles until a bank may be opened again; `recover`, until it may be precharged
    column_wait, write_wait : cycles until the next column, until the next that is written
    wait : cycles until the next command of another kind
    """

    is_open: Signal
    rows: Array
    since_active: list[Signal]
    recover: list[Signal]
    column_wait: Signal
    write_wait: Signal
    wait: Signal


def count_waits(m: Module, timing: SdramTiming, words: int, cycles: dict[str, int]) -> Banks:
    """Count down what must be waited for, with beats of so many words, and the datasheet's times
    in `cycles`."""
    t, cas = cycles, timing.cas

    def timer(name, cycles):
        return Signal(range(max(2, cycles + 1)), name=name)

    since_active = [timer(f"ras_{b}", t["t_rc"]) for b in range(timing.banks)]
    recover = [timer(f"recover_{b}", words + max(t["t_wr"], cas)) for b in
               range(timing.banks)]
    is_open = Signal(timing.banks)
    rows = Array([Signal(ceil_log2(timing.rows), name=f"row_{b}")
                  for b in range(timing.banks)])
    column_wait, write_wait = timer("column_wait", words), timer("write_wait", words + cas + 2)
    wait = timer("wait", max(t["t_rfc"], t["t_rp"], t["t_rcd"], timing.t_mrd, t["t_rrd"]))
    for counter in (*since_active, *recover, column_wait, write_wait, wait):
        with m.If(counter != 0):
            m.d.sync += counter.eq(counter - 1)
    return Banks(is_open, rows, since_active, recover, column_wait, write_wait, wait)
