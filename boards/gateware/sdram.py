"""A controller for single-data-rate SDRAM behind AXI4.

Timing is that of the chip's datasheet in nanoseconds, turned into clock cycles for the clock of
the build. Rows stay open; a burst's columns follow each other without a gap, and the row that the
next burst needs is opened while data of the one before is still on its way.
"""

import math

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, fifo, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.signatures.axi import AxiMaster

from .chips import SdramTiming

__all__ = ["SdramController", "SdramPins"]


class SdramPins(wiring.Signature):
    """The chip's pins but the clock, seen from the controller; `dq_i` is as captured by a
    register at the pin. Commands are `ras_n`, `cas_n`, `we_n`; chip select and clock enable
    are always on."""

    def __init__(self, timing: SdramTiming):
        super().__init__({
            "ras_n": Out(1, init=1), "cas_n": Out(1, init=1), "we_n": Out(1, init=1),
            "ba": Out(ceil_log2(timing.banks)), "a": Out(ceil_log2(timing.rows)),
            "dqm": Out(timing.data_bits // 8), "dq_o": Out(timing.data_bits),
            "dq_oe": Out(1), "dq_i": In(timing.data_bits)})


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

    Timing: one beat per `beat bytes / data bytes` cycles on an open row. Opening another takes
    t_rp + t_rcd, during which the data of earlier columns still moves.

    When `running` rises, requests wait for `settle_cycles`, in which every row is closed and the
    chip refreshed; then the refresh timer starts anew. A run thus takes the same cycles whatever
    was done before.
    """

    def __init__(self, config: Config, timing: SdramTiming, clock_mhz: float, *,
                 powerup_us: float | None = None):
        self._config, self._timing, self._mhz = config, timing, clock_mhz
        self._powerup = timing.powerup_us if powerup_us is None else powerup_us
        self._words = 8 * config.port.bytes // timing.data_bits
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
        config, timing, axi, mhz = self._config, self._timing, self.axi, self._mhz
        words, cas = self._words, timing.cas
        t = {n: timing.cycles(n, mhz) for n in ("t_rcd", "t_rp", "t_ras", "t_rc", "t_rfc",
                                                "t_rrd", "t_wr")}
        byte_bits = ceil_log2(timing.data_bits // 8)
        col_bits, bank_bits = ceil_log2(timing.columns), ceil_log2(timing.banks)
        row_bits = ceil_log2(timing.rows)
        addr_bits = byte_bits + col_bits + bank_bits + row_bits

        # -- bursts, reads and writes in turn ---------------------------------------------------
        request = data.StructLayout({"addr": addr_bits, "len": 8})
        m.submodules.reads = reads = fifo.SyncFIFOBuffered(width=request.size, depth=8)
        m.submodules.writes = writes = fifo.SyncFIFOBuffered(width=request.size, depth=4)
        m.d.comb += [
            reads.w_data.eq(Cat(axi.araddr[:addr_bits], axi.arlen)), reads.w_en.eq(axi.arvalid),
            axi.arready.eq(reads.w_rdy),
            writes.w_data.eq(Cat(axi.awaddr[:addr_bits], axi.awlen)), writes.w_en.eq(axi.awvalid),
            axi.awready.eq(writes.w_rdy),
        ]
        # Written beats wait here, so that whoever sends them need not wait for the chip's state;
        # they come after their request, since the next request may be another master's.
        m.submodules.beats = beats = fifo.SyncFIFOBuffered(
            width=config.beat_bits + config.port.bytes, depth=4)
        owed = Signal(4)  # requests whose last beat has not come
        m.d.comb += [
            beats.w_data.eq(Cat(axi.wdata, axi.wstrb)), beats.w_en.eq(axi.wvalid & (owed != 0)),
            axi.wready.eq(beats.w_rdy & (owed != 0)),
        ]
        m.d.sync += owed.eq(owed + (axi.awvalid & axi.awready)
                            - (axi.wvalid & axi.wready & axi.wlast))
        active, writing = Signal(), Signal()
        left, addr = Signal(8), Signal(addr_bits)
        beat_done, finish = Signal(), Signal()
        take_write = Signal()
        head_r, head_w = Signal(request), Signal(request)
        m.d.comb += [
            head_r.eq(reads.r_data), head_w.eq(writes.r_data),
            finish.eq(beat_done & (left == 0)),
            take_write.eq(writes.r_rdy & (~reads.r_rdy | ~writing)),
        ]
        with m.If(beat_done):
            m.d.sync += [left.eq(left - 1), addr.eq(addr + config.port.bytes)]
        was_running, settling = Signal(), Signal(range(self.settle_cycles + 1))
        begins, blocked = Signal(), Signal()
        m.d.comb += [begins.eq(self.running & ~was_running),
                     blocked.eq(begins | (settling != 0))]
        m.d.sync += was_running.eq(self.running)
        with m.If(~active | finish):
            m.d.sync += [active.eq((reads.r_rdy | writes.r_rdy) & ~blocked),
                         writing.eq(take_write & ~blocked)]
            m.d.comb += [writes.r_en.eq(take_write & ~blocked),
                         reads.r_en.eq(~take_write & ~blocked)]
            with m.If(take_write):
                m.d.sync += [addr.eq(head_w.addr), left.eq(head_w.len)]
            with m.Else():
                m.d.sync += [addr.eq(head_r.addr), left.eq(head_r.len)]
        column = addr[byte_bits:byte_bits + col_bits]
        bank = addr[byte_bits + col_bits:byte_bits + col_bits + bank_bits]
        row = addr[byte_bits + col_bits + bank_bits:]

        # -- answers ------------------------------------------------------------------------------
        m.submodules.answers = answers = fifo.SyncFIFOBuffered(
            width=config.beat_bits + 1, depth=16)
        room = Signal(range(17), init=16)
        acks = Signal(6)
        m.d.comb += [
            axi.rvalid.eq(answers.r_rdy), axi.rdata.eq(answers.r_data[:config.beat_bits]),
            axi.rlast.eq(answers.r_data[-1]), answers.r_en.eq(axi.rready),
            axi.bvalid.eq(acks != 0),
        ]

        # -- pins, each from a register -----------------------------------------------------------
        pins = self.pins
        command, pin_bank, pin_addr = Signal(3), Signal(bank_bits), Signal(row_bits)
        m.d.comb += command.eq(_NOP)
        m.d.sync += [Cat(pins.we_n, pins.cas_n, pins.ras_n).eq(command), pins.ba.eq(pin_bank),
                     pins.a.eq(pin_addr)]

        # -- what must be waited for --------------------------------------------------------------
        def timer(name, cycles):
            return Signal(range(max(2, cycles + 1)), name=name)

        since_active = [timer(f"ras_{b}", t["t_rc"]) for b in range(timing.banks)]
        recover = [timer(f"recover_{b}", words + max(t["t_wr"], cas)) for b in
                   range(timing.banks)]  # until the bank may be precharged
        is_open = Signal(timing.banks)
        rows = Array([Signal(row_bits, name=f"row_{b}") for b in range(timing.banks)])
        column_wait, write_wait = timer("column_wait", words), timer("write_wait", words + cas + 2)
        wait = timer("wait", max(t["t_rfc"], t["t_rp"], t["t_rcd"], timing.t_mrd, t["t_rrd"]))
        for counter in (*since_active, *recover, column_wait, write_wait, wait):
            with m.If(counter != 0):
                m.d.sync += counter.eq(counter - 1)

        # -- refresh: due early enough that what is under way can end first ----------------------
        slack = 2 * words + t["t_ras"] + t["t_wr"] + t["t_rp"] + 24
        interval = int(timing.refresh_cycles(mhz)) - slack
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

        powerup = max(1, math.ceil(self._powerup * mhz))
        startup = Signal(range(powerup + 1), init=powerup)
        setups = Signal(range(12))
        hit = Signal()
        open_row = Signal(row_bits)
        m.d.comb += [open_row.eq(rows[bank]),
                     hit.eq(is_open.bit_select(bank, 1) & (open_row == row))]
        old = Array(since_active)[bank]
        busy_write = Array(recover)[bank]
        data_read, last_read = Signal(), Signal()
        out_words, out_strobes = Signal(config.beat_bits), Signal(config.port.bytes)
        out_left = Signal(range(words + 1))
        lanes = timing.data_bits // 8

        def precharge_all():
            m.d.comb += [command.eq(_PRECHARGE), pin_addr.eq(_A10)]
            m.d.sync += [is_open.eq(0), wait.eq(t["t_rp"] - 1)]

        quiet = Signal()  # every bank may be precharged
        m.d.comb += quiet.eq(~Cat(*(c > t["t_rc"] - t["t_ras"] for c in since_active),
                                  *(c != 0 for c in recover)).any())
        with m.FSM():
            with m.State("POWER"):
                m.d.sync += startup.eq(startup - 1)
                with m.If(startup == 0):
                    precharge_all()
                    m.d.sync += setups.eq(9)
                    m.next = "SETUP"
            with m.State("SETUP"):  # eight refreshes, then the mode
                with m.If(wait == 0):
                    m.d.sync += setups.eq(setups - 1)
                    with m.If(setups > 1):
                        m.d.comb += command.eq(_REFRESH)
                        m.d.sync += wait.eq(t["t_rfc"] - 1)
                    with m.Elif(setups == 1):
                        m.d.comb += [command.eq(_MODE),
                                     pin_addr.eq(cas << 4 | ceil_log2(words))]
                        m.d.sync += wait.eq(timing.t_mrd - 1)
                    with m.Else():
                        m.d.sync += [refresh_in.eq(interval), due.eq(0)]
                        m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += self.ready.eq(1)
                with m.If(wait != 0):
                    pass
                with m.Elif(due):
                    with m.If(is_open == 0):
                        m.d.comb += command.eq(_REFRESH)
                        m.d.sync += [due.eq(0), wait.eq(t["t_rfc"] - 1)]
                    with m.Elif(quiet):
                        precharge_all()
                with m.Elif(active & hit):
                    go = (column_wait == 0) & Mux(
                        writing, beats.r_rdy & (write_wait == 0) & (acks < 32), room != 0)
                    with m.If(go):
                        m.d.comb += [
                            command.eq(Mux(writing, _WRITE, _READ)), pin_bank.eq(bank),
                            pin_addr.eq(column), beat_done.eq(1), beats.r_en.eq(writing),
                            data_read.eq(~writing), last_read.eq(left == 0)]
                        m.d.sync += column_wait.eq(words - 1)
                        with m.If(writing):
                            m.d.sync += Array(recover)[bank].eq(words + t["t_wr"] - 1)
                        with m.Else():
                            m.d.sync += [write_wait.eq(words + cas),
                                         Array(recover)[bank].eq(words)]
                with m.Elif(active & is_open.bit_select(bank, 1)):
                    with m.If((old <= t["t_rc"] - t["t_ras"]) & (busy_write == 0)):
                        m.d.comb += [command.eq(_PRECHARGE), pin_bank.eq(bank)]
                        m.d.sync += [is_open.bit_select(bank, 1).eq(0), wait.eq(t["t_rp"] - 1)]
                with m.Elif(active), m.If(old == 0):
                    m.d.comb += [command.eq(_ACTIVE), pin_bank.eq(bank), pin_addr.eq(row)]
                    m.d.sync += [is_open.bit_select(bank, 1).eq(1), rows[bank].eq(row),
                                 Array(since_active)[bank].eq(t["t_rc"] - 1),
                                 wait.eq(max(t["t_rcd"], t["t_rrd"]) - 1)]

        # -- written data: the word of a cycle goes out with the command, or after it ------------
        # Command and data leave their registers together: data is a cycle behind `beats`.
        first_word = Signal()
        beat, strobes = beats.r_data[:config.beat_bits], beats.r_data[config.beat_bits:]
        m.d.comb += first_word.eq(beats.r_en & beats.r_rdy)
        word_now = Mux(first_word, beat[:timing.data_bits], out_words[:timing.data_bits])
        mask_now = Mux(first_word, strobes[:lanes], out_strobes[:lanes])
        m.d.sync += [pins.dq_o.eq(word_now), pins.dq_oe.eq(first_word | (out_left != 0)),
                     pins.dqm.eq(Mux(first_word | (out_left != 0), ~mask_now, 0))]
        with m.If(first_word):
            m.d.sync += [out_words.eq(beat >> timing.data_bits),
                         out_strobes.eq(strobes >> lanes), out_left.eq(words - 1)]
        with m.Elif(out_left != 0):
            m.d.sync += [out_words.eq(out_words >> timing.data_bits),
                         out_strobes.eq(out_strobes >> lanes), out_left.eq(out_left - 1)]
        accepted = Signal()  # a write burst's last beat
        m.d.comb += accepted.eq(first_word & (left == 0))
        m.d.sync += acks.eq(acks + accepted - (axi.bvalid & axi.bready))

        # -- read data: a word per cycle, `cas` and two registers after the command --------------
        flight, lasts = Signal(cas + words + 1), Signal(cas + words + 1)
        m.d.sync += [flight.eq(Cat(data_read, flight[:-1])), lasts.eq(Cat(last_read, lasts[:-1]))]
        shift = Signal(config.beat_bits - timing.data_bits)
        m.d.sync += shift.eq(Cat(shift, pins.dq_i)[timing.data_bits:])
        arrives = flight[-1]
        m.d.comb += [answers.w_en.eq(arrives),
                     answers.w_data.eq(Cat(shift, pins.dq_i, lasts[-1]))]
        m.d.sync += room.eq(room - data_read + (answers.r_rdy & answers.r_en))
        return m
