"""A controller for single-data-rate SDRAM behind AXI4.

Timing is that of the chip's datasheet in nanoseconds, turned into clock cycles for the clock of
the build. Rows stay open; a burst's columns follow each other without a gap, and the row that the
next burst needs is opened while data of the one before is still on its way.
"""

import math
from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.signatures.axi import AxiMaster

from .banks import Banks, count_waits
from .bursts import Bursts, queue_bursts, take_next
from .chips import SdramTiming
from .words import Answers, Moves, queue_answers, send_words, take_words

__all__ = ["SdramController", "SdramPins"]


class SdramPins(wiring.Signature):
    """The chip's pins but the clock, seen from the controller; `dq_i` is as captured by a
    register, `dq_oe_next` is what `dq_oe` will be, for registers at the pads. Commands are
    `ras_n`, `cas_n`, `we_n`; chip select and clock enable are always on."""

    def __init__(self, timing: SdramTiming):
        super().__init__({
            "ras_n": Out(1, init=1), "cas_n": Out(1, init=1), "we_n": Out(1, init=1),
            "ba": Out(ceil_log2(timing.banks)), "a": Out(ceil_log2(timing.rows)),
            "dqm": Out(timing.data_bits // 8), "dq_o": Out(timing.data_bits),
            "dq_oe": Out(1), "dq_oe_next": Out(1), "dq_i": In(timing.data_bits)})


# ras_n, cas_n, we_n
_NOP, _ACTIVE, _READ, _WRITE, _PRECHARGE, _REFRESH, _MODE = 7, 3, 5, 4, 2, 1, 0
_A10 = 1 << 10


class SdramController(wiring.Component):
    """Serve AXI4 bursts from an SDRAM.

    Addresses are row, bank, column, byte from high to low, so that a stream changes the bank
    every row. One beat is one SDRAM burst of 2, 4 or 8 words.

    Members
    -------
    axi : AXI4 slave (seen from the master): INCR bursts of full beats
    pins : `SdramPins`
    running : 1, the accelerator runs; when it rises, nothing may be outstanding
    ready : 1, the chip has been initialised

    Parameters
    ----------
    config : Config
        For the port's width.
    timing : SdramTiming
    clock_mhz : float
    powerup_us : float or None
        Wait after reset; None for the chip's own.

    The three must have passed `check_timing`.

    When `running` rises, requests wait for `settle_cycles`, in which every row is closed and the
    chip refreshed; then the refresh timer starts anew. A run thus takes the same cycles whatever
    was done before.

    From AXI to the chip and back::

        AR --> reads  --.                        .--> command, bank, row or column
        AW --> writes --+--> burst --> state of -+
        W  --> beats ----------------- the banks `--> words --> dq
        R  <-- answers <----------------------------- words <-- dq
        B  <-- acks

    Timing
    ------
    One beat per `beat bytes / data bytes` cycles on an open row, whose first comes `READ_LATENCY`
    cycles after its request. Opening another takes t_rp + t_rcd, during which the data of earlier
    columns still moves.

    Resources
    ---------
    FIFOs of 8 reads, 4 writes, 4 beats to write and 16 beats that were read; three registers for
    each bank.
    """

    axi: wiring.PureInterface
    pins: wiring.PureInterface
    running: Signal
    ready: Signal

    def __init__(self, config: Config, timing: SdramTiming, clock_mhz: float, *,
                 powerup_us: float | None = None):
        self._config, self._timing, self._mhz = config, timing, clock_mhz
        self._powerup = timing.powerup_us if powerup_us is None else powerup_us
        self._words = 8 * config.port.bytes // timing.data_bits
        #: Cycles from a read's request to its first beat, on an open row where nothing waits: the
        #: request through its queue, the command to its pins, the words, the beat's queue.
        self.READ_LATENCY = 3 + 1 + timing.cas + self._words + 2
        super().__init__({"axi": In(AxiMaster(config)), "pins": Out(SdramPins(timing)),
                          "running": In(1), "ready": Out(1)})

    @property
    def settle_cycles(self) -> int:
        """From the longest that a bank may have to wait to be closed, to the end of a refresh that
        follows one just begun."""
        names = ("t_rfc", "t_ras", "t_wr", "t_rp", "t_rfc")
        return self._words + self._timing.cas + 8 + sum(
            self._timing.cycles(n, self._mhz) for n in names)

    def elaborate(self, platform):
        m = Module()
        config, timing = self._config, self._timing
        byte_bits = ceil_log2(timing.data_bits // 8)
        col_bits, bank_bits = ceil_log2(timing.columns), ceil_log2(timing.banks)
        row_bits = ceil_log2(timing.rows)
        bursts = queue_bursts(m, self.axi, config, byte_bits + col_bits + bank_bits + row_bits)
        was_running, settling = Signal(), Signal(range(self.settle_cycles + 1))
        begins, blocked = Signal(), Signal()
        m.d.comb += [begins.eq(self.running & ~was_running),
                     blocked.eq(begins | (settling != 0))]
        m.d.sync += was_running.eq(self.running)
        take_next(m, bursts, blocked)
        addr = bursts.addr
        place = _Place(addr[byte_bits:byte_bits + col_bits],
                       addr[byte_bits + col_bits:byte_bits + col_bits + bank_bits],
                       addr[byte_bits + col_bits + bank_bits:])
        answers = queue_answers(m, self.axi, config.beat_bits)
        command = self._command(m)
        banks = count_waits(m, timing, self._words, self._cycles)
        refresh = self._refresh(m, begins, settling)
        bank, row = place.bank, place.row
        hit = Signal()
        open_row = Signal(row_bits)
        m.d.comb += [open_row.eq(banks.rows[bank]),
                     hit.eq(banks.is_open.bit_select(bank, 1) & (open_row == row))]
        data_read, last_read = Signal(), Signal()
        moves = Moves(data_read, last_read)
        quiet = Signal()  # every bank may be precharged
        m.d.comb += quiet.eq(~Cat(*(c > self._cycles["t_rc"] - self._cycles["t_ras"]
                                    for c in banks.since_active),
                                  *(c != 0 for c in banks.recover)).any())
        reopens_in = Array(banks.since_active)[bank]
        with m.FSM():
            self._initialise(m, command, banks, refresh)
            with m.State("RUN"):
                m.d.comb += self.ready.eq(1)
                with m.If(banks.wait != 0):
                    pass
                with m.Elif(refresh.due):
                    with m.If(banks.is_open == 0):
                        m.d.comb += command.code.eq(_REFRESH)
                        m.d.sync += [refresh.due.eq(0), banks.wait.eq(self._cycles["t_rfc"] - 1)]
                    with m.Elif(quiet):
                        self._precharge_all(m, command, banks)
                with m.Elif(bursts.active & hit):
                    self._access(m, bursts, place, command, banks, answers, moves)
                with m.Elif(bursts.active & banks.is_open.bit_select(bank, 1)):
                    self._close(m, bank, reopens_in, command, banks)
                with m.Elif(bursts.active):
                    self._open(m, place, reopens_in, command, banks)
        send_words(m, self.pins, self.axi, bursts, answers, self._words)
        take_words(m, self.pins, answers, moves, self._words, timing.cas)
        return m

    @property
    def _cycles(self) -> dict[str, int]:
        """Whole cycles of the datasheet's times."""
        return {n: self._timing.cycles(n, self._mhz)
                for n in ("t_rcd", "t_rp", "t_ras", "t_rc", "t_rfc", "t_rrd", "t_wr")}

    def _command(self, m: Module) -> "_Command":
        """Give commands to the pins, each from a register."""
        pins, timing = self.pins, self._timing
        command = _Command(Signal(3), Signal(ceil_log2(timing.banks)),
                           Signal(ceil_log2(timing.rows)))
        m.d.comb += command.code.eq(_NOP)
        m.d.sync += [Cat(pins.we_n, pins.cas_n, pins.ras_n).eq(command.code),
                     pins.ba.eq(command.bank), pins.a.eq(command.addr)]
        return command

    def _refresh(self, m: Module, begins: Signal, settling: Signal) -> "_Refresh":
        """Say when a refresh is due: early enough that what is under way can end first."""
        t, words = self._cycles, self._words
        slack = 2 * words + t["t_ras"] + t["t_wr"] + t["t_rp"] + 24
        interval = int(self._timing.refresh_cycles(self._mhz)) - slack
        refresh_in, due = Signal(range(interval + 1), init=interval), Signal()
        with m.If(refresh_in == 0):
            m.d.sync += [refresh_in.eq(interval), due.eq(1)]
        with m.Else():
            m.d.sync += refresh_in.eq(refresh_in - 1)
        with m.If(begins):
            m.d.sync += [settling.eq(self.settle_cycles), due.eq(1), refresh_in.eq(interval)]
        with m.Elif(self.ready & (settling != 0)):
            m.d.sync += settling.eq(settling - 1)
            with m.If(settling == 1):
                m.d.sync += refresh_in.eq(interval)
        return _Refresh(refresh_in, due, interval)

    def _precharge_all(self, m: Module, command: "_Command", banks: Banks) -> None:
        m.d.comb += [command.code.eq(_PRECHARGE), command.addr.eq(_A10)]
        m.d.sync += [banks.is_open.eq(0), banks.wait.eq(self._cycles["t_rp"] - 1)]

    def _initialise(self, m: Module, command: "_Command", banks: Banks,
                    refresh: "_Refresh") -> None:
        """States from reset until the chip is ready."""
        timing, wait = self._timing, banks.wait
        powerup = max(1, math.ceil(self._powerup * self._mhz))
        startup = Signal(range(powerup + 1), init=powerup)
        setups = Signal(range(12))
        with m.State("POWER"):
            m.d.sync += startup.eq(startup - 1)
            with m.If(startup == 0):
                self._precharge_all(m, command, banks)
                m.d.sync += setups.eq(9)
                m.next = "SETUP"
        with m.State("SETUP"):  # eight refreshes, then the mode
            with m.If(wait == 0):
                m.d.sync += setups.eq(setups - 1)
                with m.If(setups > 1):
                    m.d.comb += command.code.eq(_REFRESH)
                    m.d.sync += wait.eq(self._cycles["t_rfc"] - 1)
                with m.Elif(setups == 1):
                    m.d.comb += [command.code.eq(_MODE),
                                 command.addr.eq(timing.cas << 4 | ceil_log2(self._words))]
                    m.d.sync += wait.eq(timing.t_mrd - 1)
                with m.Else():
                    m.d.sync += [refresh.left.eq(refresh.interval), refresh.due.eq(0)]
                    m.next = "RUN"

    def _access(self, m: Module, bursts: Bursts, place: "_Place", command: "_Command",
                banks: Banks, answers: Answers, moves: Moves) -> None:
        """Read or write a beat of the row that is open."""
        words, writing, bank = self._words, bursts.writing, place.bank
        go = (banks.column_wait == 0) & Mux(
            writing, bursts.beats.r_rdy & (banks.write_wait == 0) & (answers.acks < 32),
            answers.room != 0)
        with m.If(go):
            m.d.comb += [
                command.code.eq(Mux(writing, _WRITE, _READ)), command.bank.eq(bank),
                command.addr.eq(place.column), bursts.beat_done.eq(1),
                bursts.beats.r_en.eq(writing),
                moves.reads.eq(~writing), moves.last.eq(bursts.left == 0)]
            m.d.sync += banks.column_wait.eq(words - 1)
            with m.If(writing):
                m.d.sync += Array(banks.recover)[bank].eq(words + self._cycles["t_wr"] - 1)
            with m.Else():
                m.d.sync += [banks.write_wait.eq(words + self._timing.cas),
                             Array(banks.recover)[bank].eq(words)]

    def _close(self, m: Module, bank: Value, reopens_in: Value, command: "_Command",
               banks: Banks) -> None:
        """Close the row that is open in a bank."""
        t = self._cycles
        busy_write = Array(banks.recover)[bank]
        with m.If((reopens_in <= t["t_rc"] - t["t_ras"]) & (busy_write == 0)):
            m.d.comb += [command.code.eq(_PRECHARGE), command.bank.eq(bank)]
            m.d.sync += [banks.is_open.bit_select(bank, 1).eq(0), banks.wait.eq(t["t_rp"] - 1)]

    def _open(self, m: Module, place: "_Place", reopens_in: Value, command: "_Command",
              banks: Banks) -> None:
        """Open the row that is needed."""
        t, bank, row = self._cycles, place.bank, place.row
        with m.If(reopens_in == 0):
            m.d.comb += [command.code.eq(_ACTIVE), command.bank.eq(bank), command.addr.eq(row)]
            m.d.sync += [banks.is_open.bit_select(bank, 1).eq(1), banks.rows[bank].eq(row),
                         Array(banks.since_active)[bank].eq(t["t_rc"] - 1),
                         banks.wait.eq(max(t["t_rcd"], t["t_rrd"]) - 1)]


@dataclass(frozen=True)
class _Place:
    """Where in the chip the next beat is."""

    column: Value
    bank: Value
    row: Value


@dataclass(frozen=True)
class _Command:
    """What the chip is told in a cycle."""

    code: Signal
    bank: Signal
    addr: Signal


@dataclass(frozen=True)
class _Refresh:
    """A refresh is `due`, or will be after `left` cycles, at first `interval`."""

    left: Signal
    due: Signal
    interval: int
