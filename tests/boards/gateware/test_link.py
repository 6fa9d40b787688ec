"""The link in RTL: the real client against a virtual board, over a wire that lies."""

import random

import numpy as np
import pytest

from boards.host.client import SerialBackend
from boards.host.errors import BoardMismatch, BoardReset, LinkError, LinkTimeout
from boards.protocol import ANSWER, HEADER, MAX_DATA, Deframer, Op, Status, body, frame
from boards.virtual.board import VirtualBoard
from hw import registers
from tests.support.register_map import assert_whole_words
from tests.support.seeds import draws, run_seed
from tests.support.systems import RAM, Wire, backend

pytestmark = pytest.mark.builds

CONFIG = RAM.config


@pytest.fixture(scope="module")
def board():
    with VirtualBoard(RAM) as made:
        yield made


def test_memory_and_registers_by_byte_and_word(board):
    link = backend(board)
    assert link.read_register(registers.address("ID")) == registers.MAGIC
    link.write_register(registers.address("WATCHDOG"), 12345)
    assert link.read_register(registers.address("WATCHDOG")) == 12345
    rng = np.random.default_rng(run_seed())
    memory = np.zeros(4096, np.uint8)
    link.write_memory(0, memory)
    for _ in range(12):
        at, size = rng.integers(0, 2000), rng.integers(1, 2 * MAX_DATA - 1)
        data = rng.integers(0, 256, size, dtype=np.uint8)
        link.write_memory(int(at), data)
        memory[at:at + size] = data
        at, size = rng.integers(0, 2000), rng.integers(1, 2000)
        assert np.array_equal(link.read_memory(int(at), int(size)), memory[at:at + size])
    assert link.repeats == 0


def test_every_register():
    with VirtualBoard(RAM) as fresh:
        link = backend(fresh)
        assert_whole_words(CONFIG, link.write_register, link.read_register, beside=8)
        assert link.repeats == 0


def test_what_is_not_there_is_an_error(board):
    link = backend(board)
    with pytest.raises(ValueError, match="there is no register at 0xff8"):
        link.read_register(0xFF8)
    with pytest.raises(ValueError, match="there is no register at 0x100000"):
        link.write_register(0x100000, 1)
    with pytest.raises(ValueError, match="there is no memory at 0xfffc"):
        link.write_memory(RAM.ram_bytes - 4, bytes(8))
    assert link.read_register(registers.address("INSTANCES")) == CONFIG.instances


def talk(board: VirtualBoard, *frames: bytes) -> list[tuple]:
    """Send frames, and return the answers' headers and data."""
    deframer, found = Deframer(), []
    for one in frames:
        board.feed(one)
        quiet = 0
        while quiet < 4:
            board.run(1000)
            data = board.take()
            quiet = quiet + 1 if not data and not board.unsent else 0
            found += deframer.feed(data)
    return [(*HEADER.unpack_from(c), c[HEADER.size:]) for c in found]


def test_sequence_numbers(board):
    hello = frame(body(Op.HELLO, 100, 77))
    write = frame(body(Op.WRITE_MEMORY, 101, 16, b"abcd"))
    again = frame(body(Op.WRITE_MEMORY, 101, 16, b"ABCD"))
    other = frame(body(Op.WRITE_MEMORY, 105, 16, b"wxyz"))
    read = frame(body(Op.READ_MEMORY, 102, 16, length=4))
    answers = talk(board, hello, write, again, other, hello, read, read)
    status = [a[3] for a in answers]
    assert status == [0, 0, 0, Status.SEQUENCE, 0, 0, 0]
    assert next(a[0] for a in answers) == Op.HELLO | ANSWER
    assert answers[5][4] == answers[6][4] == b"abcd", "a repetition or a stranger has written"


@pytest.mark.parametrize("request_,why", [
    (body(9, 101, 0), "an unknown op"),
    (body(Op.READ_MEMORY, 101, 0, length=0), "nothing to read"),
    (body(Op.READ_MEMORY, 101, 0, length=MAX_DATA + 1), "too much to read"),
    (body(Op.READ_REGISTER, 101, 2, length=4), "an odd register"),
    (body(Op.WRITE_REGISTER, 101, 0x20, b"12345"), "a long register"),
    (body(Op.WRITE_MEMORY, 101, 0, b"1234", length=8), "less data than announced"),
])
def test_bad_requests_are_refused_and_do_nothing(board, request_, why):
    answers = talk(board, frame(body(Op.HELLO, 100, draws(why).getrandbits(32))), frame(request_))
    assert [a[3] for a in answers] == [Status.OK, Status.BAD_REQUEST], why


class Liar:
    """Spoils what passes: flips, drops, inserts, repeats and cuts; `faults` counts.

    `rate` is that of requests; an answer comes in pieces, which are spoilt at an eighth of it.
    """

    def __init__(self, draw: random.Random, rate: float):
        self.random, self.rate, self.faults, self.on = draw, rate, 0, True

    def __call__(self, data: bytes, to_board: bool) -> bytes:
        draw = self.random
        if not self.on or draw.random() > (self.rate if to_board else self.rate / 8):
            return data
        self.faults += 1
        line = bytearray(data)
        at = draw.randrange(len(line))
        what = draw.choice(("flip", "drop", "insert", "repeat", "cut", "burst"))
        if what == "flip":
            line[at] ^= 1 << draw.randrange(8)
        elif what == "drop":
            del line[at]
        elif what == "insert":
            line.insert(at, draw.randrange(256))
        elif what == "repeat":
            line += bytes(line)
        elif what == "cut":
            del line[at:]
        else:
            line[at:at] = draw.randbytes(draw.randrange(1, 40))
        return bytes(line)


def storm(board: VirtualBoard, faults: int) -> None:
    """Random accesses over a lying wire, with resets in mid-frame, against a plain model."""
    liar, draw = Liar(draws("liar", faults), 0.4), draws("storm", faults)
    memory = bytearray(512)
    backend(board).write_memory(0, bytes(memory))
    resets = 0
    link: SerialBackend | None = None
    while liar.faults + resets < faults:
        touched = None
        try:
            if link is None:
                link = backend(board, liar)
            kind = draw.random()
            at = draw.randrange(400)
            if kind < 0.5:
                data = draw.randbytes(draw.randrange(1, 80))
                touched = (at, data)
                link.write_memory(at, data)
                memory[at:at + len(data)] = data
            elif kind < 0.9:
                size = draw.randrange(1, 80)
                assert bytes(link.read_memory(at, size)) == bytes(memory[at:at + size])
            else:
                value = draw.getrandbits(32)
                link.write_register(registers.address("WATCHDOG"), value)
                assert link.read_register(registers.address("WATCHDOG")) == value
            if draw.random() < 0.02:  # in the middle of a frame
                line = frame(body(Op.WRITE_MEMORY, draw.getrandbits(16), 0, bytes(64)))
                board.feed(line[:draw.randrange(len(line))])
                board.run(draw.randrange(2000))
                board.reset()
                board.take()
                resets += 1
                with pytest.raises(BoardReset):
                    link.read_register(0)
                link = None
        except (LinkTimeout, BoardReset):  # told of, not silent: begin a new session
            liar.on = False
            fresh = backend(board)
            if touched:  # it may or may not have been written, but whole or not at all
                at, data = touched
                found = bytes(fresh.read_memory(at, len(data)))
                assert found in (data, bytes(memory[at:at + len(data)]))
                memory[at:at + len(data)] = found
            liar.on = True
            link = None
    liar.on = False
    assert bytes(backend(board).read_memory(0, 512)) == bytes(memory)


def test_nothing_is_lost_damaged_or_done_twice_over_a_lying_wire(board):
    storm(board, 150)


@pytest.mark.slow
def test_ten_thousand_faults(board):
    storm(board, 10_000)


@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "unanswered"])
def test_a_link_whose_request_was_interrupted_goes_on(board, sent):
    def interrupt(data, to_board):
        if armed and to_board != sent:
            armed.clear()
            raise KeyboardInterrupt
        return data

    armed = []
    link = backend(board, interrupt)
    for k in range(3):
        link.write_memory(0, bytes([k] * 8))
        armed.append(1)
        with pytest.raises(KeyboardInterrupt):
            link.write_memory(0, bytes([k + 100] * 8))
        assert bytes(link.read_memory(0, 8)) == bytes([k + 100 * sent] * 8)
        board.reset()
        with pytest.raises(BoardReset, match="has been reset before READ_MEMORY"):
            link.read_memory(0, 8)
        link = backend(board, interrupt)


def noise(board: VirtualBoard, count: int) -> None:
    link = backend(board)
    pattern = bytes(range(256))
    link.write_memory(0, pattern)
    watchdog = registers.address("WATCHDOG")
    link.write_register(watchdog, 4711)
    draw = draws("noise", count)
    for _ in range(0, count, 10_000):
        board.feed(draw.randbytes(10_000))
        while board.unsent:
            board.run(20_000)
            board.take()
    board.run(20_000)
    fresh = backend(board)
    assert fresh.repeats <= 2, "not in step again within two frames"
    assert bytes(fresh.read_memory(0, 256)) == pattern
    assert fresh.read_register(watchdog) == 4711


def test_noise_writes_nothing(board):
    noise(board, 20_000)


@pytest.mark.slow
def test_a_million_bytes_of_noise(board):
    noise(board, 1_000_000)


def test_a_silent_board_is_a_timeout():
    class Silence:
        def write(self, data):
            pass

        def read_some(self, timeout_s):
            import time
            time.sleep(timeout_s)
            return b""

    with pytest.raises(LinkTimeout, match="no answer to HELLO after 8 tries"):
        SerialBackend(CONFIG, Silence(), timeout_s=0.001)


def test_another_build_is_refused(board):
    with pytest.raises(BoardMismatch, match="flash the build that belongs to the program"):
        SerialBackend(CONFIG.replace(buffers__acc_depth=32), Wire(board), timeout_s=0.01,
                      clock=Wire(board).clock)


def test_a_port_that_is_not_there():
    from boards.host.client import open_port
    with pytest.raises(LinkError, match="cannot open /dev/nowhere"):
        open_port("/dev/nowhere", 3_000_000)
