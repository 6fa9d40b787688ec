"""Beats as words of a chip: those that are written, and those that were read."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import fifo
from amaranth.lib.wiring import PureInterface

from .bursts import Bursts

__all__ = ["Answers", "Moves", "queue_answers", "send_words", "take_words"]


@dataclass(frozen=True)
class Answers:
    """Beats that were read, in a `queue`, `room` for more; `acks` that writes have not got yet."""

    queue: fifo.SyncFIFOBuffered
    room: Signal
    acks: Signal


@dataclass(frozen=True)
class Moves:
    """1, a beat is read in this cycle, a burst's last one."""

    reads: Signal
    last: Signal


def queue_answers(m: Module, axi: PureInterface, beat_bits: int) -> Answers:
    """Queue the answers to whoever asked."""
    m.submodules.answers = answers = fifo.SyncFIFOBuffered(width=beat_bits + 1, depth=16)
    room = Signal(range(17), init=16)
    acks = Signal(6)
    m.d.comb += [
        axi.rvalid.eq(answers.r_rdy), axi.rdata.eq(answers.r_data[:beat_bits]),
        axi.rlast.eq(answers.r_data[-1]), answers.r_en.eq(axi.rready),
        axi.bvalid.eq(acks != 0),
    ]
    return Answers(answers, room, acks)


def send_words(m: Module, pins: PureInterface, axi: PureInterface, bursts: Bursts,
               answers: Answers, words: int) -> None:
    """Give the chip a beat, a word in each cycle from that of the command on.

    Command and data leave their registers together: data is a cycle behind `beats`. These are the
    registers at the pads, where there are some.
    """
    for pin in ("ras_n", "cas_n", "we_n", "ba", "a", "dqm", "dq_o"):
        getattr(pins, pin).attrs["syn_useioff"] = 1
    beats, data_bits, lanes = bursts.beats, len(pins.dq_o), len(pins.dqm)
    beat, strobes = beats.r_data[:words * data_bits], beats.r_data[words * data_bits:]
    out_words, out_strobes = Signal(len(beat)), Signal(len(strobes))
    out_left = Signal(range(words + 1))
    first_word = Signal()
    m.d.comb += first_word.eq(beats.r_en & beats.r_rdy)
    word_now = Mux(first_word, beat[:data_bits], out_words[:data_bits])
    mask_now = Mux(first_word, strobes[:lanes], out_strobes[:lanes])
    sends = pins.dq_oe_next
    m.d.comb += sends.eq(first_word | (out_left != 0))
    m.d.sync += [pins.dq_o.eq(word_now), pins.dq_oe.eq(sends),
                 pins.dqm.eq(Mux(sends, ~mask_now, 0))]
    with m.If(first_word):
        m.d.sync += [out_words.eq(beat >> data_bits),
                     out_strobes.eq(strobes >> lanes), out_left.eq(words - 1)]
    with m.Elif(out_left != 0):
        m.d.sync += [out_words.eq(out_words >> data_bits),
                     out_strobes.eq(out_strobes >> lanes), out_left.eq(out_left - 1)]
    accepted = Signal()  # a write burst's last beat
    m.d.comb += accepted.eq(first_word & (bursts.left == 0))
    m.d.sync += answers.acks.eq(answers.acks + accepted - (axi.bvalid & axi.bready))


def take_words(m: Module, pins: PureInterface, answers: Answers, moves: Moves, words: int,
               cas: int) -> None:
    """Take a beat from the chip, a word in each cycle, `cas` and two registers after the
    command."""
    data_bits, queue = len(pins.dq_i), answers.queue
    behind = cas + words + 1
    flight, lasts = Signal(behind), Signal(behind)
    m.d.sync += [flight.eq(Cat(moves.reads, flight[:-1])),
                 lasts.eq(Cat(moves.last, lasts[:-1]))]
    shift = Signal((words - 1) * data_bits)
    m.d.sync += shift.eq(Cat(shift, pins.dq_i)[data_bits:])
    arrives = flight[-1]
    m.d.comb += [queue.w_en.eq(arrives),
                 queue.w_data.eq(Cat(shift, pins.dq_i, lasts[-1]))]
    m.d.sync += answers.room.eq(answers.room - moves.reads + (queue.r_rdy & queue.r_en))
