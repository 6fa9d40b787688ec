"""One instance of the instruction-level simulator: a dispatcher and five units as coroutines."""

from collections import deque
from collections.abc import Generator, Mapping

import numpy as np

from hw.config import Config, next_pow2
from hw.isa import (
    INSN_BYTES,
    PROGRAM_ALIGNMENT,
    UNIT_OF,
    UNITS,
    ErrorCode,
    Opcode,
    decode,
    field_error,
)

from .arith import holds_nothing, look_up, pool, requantise, taps
from .result import Hazard, IssResult, Stopped

__all__ = ["Instance"]

_GRAIN_WORDS = 512  # activation words that a load or store moves in one step

Steps = Generator[bool, None, None]


class Instance:
    """One instance: a dispatcher, five units, and their memories."""

    def __init__(self, config: Config, memory: np.ndarray, valid: np.ndarray, number: int,
                 start: int, result: IssResult):
        self.config, self.memory, self.valid = config, memory, valid
        self.number, self.start, self.result = number, start, result
        self.others: dict[int, Instance] = {}
        self.alive, self.ended = True, False
        self.queues: dict[str, deque] = {name: deque() for name in UNITS}
        self.current: dict[str, dict[str, int]] = {}
        self.tokens = [0] * 8
        self.meeting: dict[str, tuple] = {}  # unit -> what it waits for together with others
        self.released: set[str] = set()
        self.marks: list[int] = []
        array, words = config.array, config.buffers.act_words
        self.acts = np.zeros((words, array.rows), np.int8)
        self.acts_valid = np.zeros((words, array.rows), bool)
        self.acc = np.zeros((2, config.buffers.acc_depth, array.cols), np.int64)
        self.full, self.busy = [False, False], [False, False]
        self.params = [np.zeros(0, np.uint8)] * 2
        self.tables = [np.zeros(0, np.uint8)] * 2
        self.fifo = np.zeros(0, np.uint8)
        self.needs: deque[int | None] = deque()  # live inputs, None after a table's last
        self.live: list[int] = []  # values of those whose rows have not been used yet
        self.searched = 0  # inputs of a table
        self.bank = self.posted = 0
        self.coroutines = {"dispatch": self._dispatch(), "load": self._run("load", self._load),
                           "store": self._run("store", self._store),
                           "weights": self._run("weights", self._weights),
                           "compute": self._run("compute", self._compute),
                           "post": self._run("post", self._post)}

    # -- scheduling --------------------------------------------------------------------------
    def step(self, steps: Steps) -> bool:
        """Let one coroutine make a step; returns whether it did anything."""
        if not self.alive:
            return False
        try:
            moved = next(steps, False)
        except Stopped as error:
            self.stop(error)
            return True
        if self.ended and not self.current and not any(self.queues.values()):
            self.alive = False
        return moved

    def stop(self, error: Stopped) -> None:
        self.alive = False
        self.result.errors[self.number] = error

    def waiting_insn(self) -> dict[str, int] | None:
        """Of instructions that wait, the one that an error names: the first as data flows."""
        for unit in ("compute", "load", "post", "store", "weights"):
            if unit in self.current:
                return self.current[unit]
            if self.queues[unit]:
                return self.queues[unit][0]
        return None

    def _dispatch(self) -> Steps:
        at = self.start
        bits = self.config.port.address_bits
        if len(self.memory) > 1 << bits:
            raise Stopped(ErrorCode.BAD_WINDOW)
        if at % PROGRAM_ALIGNMENT or at >> bits:
            raise Stopped(ErrorCode.BAD_FIELD)
        while True:
            if at + INSN_BYTES > len(self.memory):
                raise Stopped(ErrorCode.ADDRESS_WINDOW,
                              {"layer": 0, "opcode": Opcode.END.value})
            raw = self.memory[at:at + INSN_BYTES].tobytes()
            try:
                opcode, insn = decode(raw)
            except ValueError:
                raise Stopped(ErrorCode.ILLEGAL_OPCODE, {
                    "layer": int.from_bytes(raw[:2], "little") >> 5, "opcode": raw[0] & 15,
                }) from None
            if field_error(self.config, opcode, insn):
                raise Stopped(ErrorCode.BAD_FIELD, insn)
            self.result.instructions += 1
            if opcode == Opcode.END:
                self.ended = True
                yield True
                return
            if opcode == Opcode.FENCE:
                while self.current or any(self.queues.values()):
                    yield False
                at += INSN_BYTES
                yield True
                continue
            queue = self.queues[UNIT_OF[opcode]]
            while len(queue) >= self.config.buffers.queue_depth:
                yield False
            queue.append(insn)
            at += INSN_BYTES
            yield True

    def _run(self, unit: str, execute) -> Steps:
        queue = self.queues[unit]
        while True:
            while not queue or any(queue[0]["wait"] >> t & 1 and not self.tokens[t]
                                   for t in range(8)):
                yield False
            insn = self.current[unit] = queue.popleft()
            for t in range(8):
                self.tokens[t] -= insn["wait"] >> t & 1
            yield True
            yield from execute(insn)
            for t in range(8):
                self.tokens[t] += insn["signal"] >> t & 1
                if self.tokens[t] > 255:
                    raise Stopped(ErrorCode.TOKEN_OVERFLOW, insn)
            if insn["mark"]:
                self.marks.append(insn["layer"])
            del self.current[unit]
            yield True

    def _meet(self, unit: str, mask: int, what: tuple) -> Steps:
        """Wait until every living instance of a mask is at a point of that kind whose mask has the
        first of them, too; that one finds it out. `what` begins with the kind and the mask."""
        self.meeting[unit] = what
        yield True
        while unit not in self.released:
            living = {i: m for i, m in self.others.items() if mask >> i & 1 and m.alive}
            points, members = [m.meeting.get(unit) for m in living.values()], living.values()
            if self.number == min(living) and all(
                    p and p[0] == what[0] and p[1] >> self.number & 1 for p in points):
                if any(p != what for p in points):
                    raise Hazard(f"{unit} of instances {mask:#x} meet with different "
                                 f"instructions: {points}")
                for m in members:
                    m.released.add(unit)
                    del m.meeting[unit]
                yield True
            else:
                yield False
        self.released.discard(unit)

    def _shared(self, mask: int) -> bool:
        return bool(mask) and self.config.port.memory == "shared"

    # -- external memory ---------------------------------------------------------------------
    def _words(self, insn: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """Byte offsets and activation addresses of a transfer's words, in order."""
        runs, words = np.arange(insn["runs"])[:, None], np.arange(insn["run_words"])
        ext = (insn["ext_addr"] + runs * insn["ext_stride"]) % (1 << self.config.port.address_bits)
        ext = ext + words * self.config.word_pitch_bytes
        act = insn["act_addr"] + runs * insn["act_stride"] + words
        return ext.reshape(-1), act.reshape(-1)

    def _check(self, ext: np.ndarray, act: np.ndarray, insn: Mapping[str, int]) -> None:
        beat = self.config.port.bytes
        last = -(-(int(ext.max()) + self.config.word_pitch_bytes) // beat) * beat
        if last > len(self.memory):
            raise Stopped(ErrorCode.ADDRESS_WINDOW, insn)
        self._check_range(act, insn)

    def _check_range(self, act: np.ndarray, insn: Mapping[str, int]) -> None:
        """Activation addresses are modulo four times the memory; those beyond it stop."""
        size = self.config.buffers.act_words
        if ((act % (4 * size)) >= size).any():
            raise Stopped(ErrorCode.ACT_RANGE, insn)

    def _load(self, insn: Mapping[str, int]) -> Steps:
        if Opcode(insn["opcode"]) == Opcode.BARRIER:
            yield from self._meet("load", insn["mask"], ("barrier", insn["mask"]))
            return
        if self._shared(insn["mask"]):
            what = tuple(insn[f] for f in ("ext_addr", "run_words", "runs", "ext_stride"))
            yield from self._meet("load", insn["mask"], ("load", insn["mask"], *what))
        ext, act = self._words(insn)
        lanes = np.arange(self.config.array.rows)
        for k in range(0, len(ext), _GRAIN_WORDS):
            part = slice(k, k + _GRAIN_WORDS)
            self._check(ext[part], act[part], insn)
            where = ext[part, None] + lanes
            self.acts[act[part]] = self.memory[where].view(np.int8)
            self.acts_valid[act[part]] = self.valid[where]
            yield True

    def _store(self, insn: Mapping[str, int]) -> Steps:
        ext, act = self._words(insn)
        lanes = np.arange(self.config.array.rows)
        for k in range(0, len(ext), _GRAIN_WORDS):
            part = slice(k, k + _GRAIN_WORDS)
            self._check(ext[part], act[part], insn)
            where = ext[part, None] + lanes
            self.memory[where] = self.acts[act[part]].view(np.uint8)
            self.valid[where] = self.acts_valid[act[part]]
            yield True

    def _weights(self, insn: Mapping[str, int]) -> Steps:
        config = self.config
        left = insn["chunks"] * config.chunk_bytes
        at = insn["ext_addr"]
        if at % config.port.bytes:
            raise Hazard(f"WEIGHTS at {at:#x} is not on a beat")
        burst = config.port.bytes * config.port.burst_beats
        room = config.port.bytes * config.buffers.weight_fifo_beats
        if insn["row_beats"]:
            yield from self._rows(insn, room)
            return
        while left:
            size = min(left, burst)
            while len(self.fifo) + size > room:
                yield False
            if self._shared(insn["mask"]):
                yield from self._meet("weights", insn["mask"], ("weights", insn["mask"], at, left))
            if -(-(at + size) // config.port.bytes) * config.port.bytes > len(self.memory):
                raise Stopped(ErrorCode.ADDRESS_WINDOW, insn)
            if not self.valid[at:at + size].all():
                raise Hazard(f"WEIGHTS reads unwritten memory at {at:#x}")
            self.fifo = np.concatenate([self.fifo, self.memory[at:at + size]])
            at, left = at + size, left - size
            yield True

    def _rows(self, insn: Mapping[str, int], room: int) -> Steps:
        """Fetch the rows of live inputs."""
        size = insn["row_beats"] * self.config.port.bytes
        if insn["signal"] or insn["mark"] or insn["mask"]:
            raise Hazard("WEIGHTS of live inputs gives tokens, has a mark or is multicast")
        if insn["ext_addr"] % next_pow2(size):
            raise Hazard(f"WEIGHTS of live inputs at {insn['ext_addr']:#x}: rows would cross pages")
        while True:
            while not self.needs or len(self.fifo) + size > room:
                yield False
            index = self.needs.popleft()
            if index is None:
                return
            at = insn["ext_addr"] + index * next_pow2(size)
            if at + size > len(self.memory):
                raise Stopped(ErrorCode.ADDRESS_WINDOW, insn)
            if not self.valid[at:at + size].all():
                raise Hazard(f"WEIGHTS reads unwritten memory at {at:#x}")
            self.fifo = np.concatenate([self.fifo, self.memory[at:at + size]])
            yield True

    def _take(self, size: int) -> Generator[bool, None, np.ndarray]:
        """Take bytes off the weight FIFO as they arrive."""
        parts = []
        while size:
            got = self.fifo[:size]
            if len(got):
                self.fifo = self.fifo[len(got):]
                parts.append(got)
                size -= len(got)
            yield bool(len(got))
        return np.concatenate(parts)

    # -- arithmetic --------------------------------------------------------------------------
    def _compute(self, insn: Mapping[str, int]) -> Steps:
        config, array = self.config, self.config.array
        count = insn["kernel_h"] * insn["kernel_w"]
        if insn["tiles"] != insn["in_blocks"] * count \
                or insn["out_h"] * insn["out_w"] > config.buffers.acc_depth:
            raise Stopped(ErrorCode.BAD_FIELD, insn)
        if not insn["last"] and insn["out_blocks"] != 1:
            raise Hazard("COMPUTE leaves several blocks open")
        where, inside = taps(insn)
        if inside.any():
            blocks = np.arange(insn["in_blocks"])[:, None] * insn["in_plane"]
            self._check_range(insn["in_addr"] + blocks + where[inside], insn)
        tile_bytes = config.tile_chunks * config.chunk_bytes
        param_bytes = config.param_chunks * config.chunk_bytes
        if insn["live_blocks"]:
            yield from self._compute_live(insn, where[0], inside[0], param_bytes)
            return
        for number in range(insn["out_blocks"]):
            bank = self.bank
            if insn["first"]:
                while self.busy[bank]:
                    yield False
                self.busy[bank] = True
                self.acc[bank] = 0
            if config.array.tables and insn["last"] and insn["tables"] \
                    and (number < 2 or insn["every_table"]):
                self.tables[bank] = yield from self._take(config.table_chunks * config.chunk_bytes)
            if insn["last"]:
                self.params[bank] = yield from self._take(param_bytes)
            for block in range(insn["in_blocks"]):
                tiles = yield from self._take(count * tile_bytes)
                weights = tiles.reshape(count, tile_bytes)[:, :array.macs].view(np.int8) \
                    .reshape(count, array.cols, array.rows)
                base = insn["in_addr"] + block * insn["in_plane"]
                address = np.where(inside, base + where, 0)
                used = inside[..., None] & (weights != 0).any(1)
                if (used & ~self.acts_valid[address]).any():
                    raise Hazard(f"instance {self.number}, layer {insn['layer']}: COMPUTE reads "
                                 f"activations that were never written, block {block}")
                vectors = np.where(inside[..., None], self.acts[address],
                                   np.int8(insn["pad_value"])).astype(np.float64)
                sums = vectors.reshape(len(where), -1) @ weights.transpose(0, 2, 1) \
                    .reshape(-1, array.cols).astype(np.float64)
                self.acc[bank, :len(where)] += sums.astype(np.int64)
                yield True
            if insn["last"]:
                self.full[bank] = True
                self.bank ^= 1

    def _compute_live(self, insn: Mapping[str, int], where: np.ndarray, inside: np.ndarray,
                      param_bytes: int) -> Steps:
        """Multiply live inputs alone; their rows come when the last of a pass are known."""
        cols, count, bank = self.config.array.cols, insn["live_blocks"], self.bank
        if insn["first"]:
            while self.busy[bank]:
                yield False
            self.busy[bank] = True
            self.acc[bank] = 0
            self.params[bank] = yield from self._take(count * param_bytes)
        address = insn["in_addr"] + np.arange(insn["in_blocks"])[:, None] * insn["in_plane"] + where
        self._check_range(address[:, inside], insn)
        address = np.where(inside, address, 0)
        if not self.acts_valid[address[:, inside]].all():
            raise Hazard(f"instance {self.number}, layer {insn['layer']}: COMPUTE reads "
                         "activations that were never written")
        for value in np.where(inside[:, None], self.acts[address],
                              np.int8(insn["pad_value"])).reshape(-1):
            if abs(int(value)) > insn["epsilon"]:
                self.needs.append(self.searched)
                self.live.append(int(value))
            self.searched += 1
        yield True
        if not insn["last"]:
            return
        self.needs.append(None)
        size = -(-count * cols // self.config.port.bytes) * self.config.port.bytes
        for value in self.live:
            row = yield from self._take(size)
            self.acc[bank, :count] += value * row[:count * cols].view(np.int8).astype(
                np.int64).reshape(count, cols)
        self.live, self.searched = [], 0
        self.full[bank] = True
        self.bank ^= 1

    def _post(self, insn: Mapping[str, int]) -> Steps:
        config, array = self.config, self.config.array
        out_h, out_w = insn["out_h"], insn["out_w"]
        pixels = np.arange(out_h * out_w)
        for block in range(insn["out_blocks"]):
            bank = self.posted
            while not self.full[bank]:
                yield False
            if insn["conv_h"] * insn["conv_w"] > config.buffers.acc_depth:
                raise Hazard("POST reads more accumulators than there are")
            if holds_nothing(insn):
                raise Stopped(ErrorCode.BAD_FIELD, insn)
            conv = self.acc[bank, :insn["conv_h"] * insn["conv_w"]] \
                .reshape(insn["conv_h"], insn["conv_w"], array.cols)
            pooled = pool(conv, insn).reshape(out_h * out_w, array.cols)
            params = self.params[bank]
            if insn["per_pixel"]:
                size = config.param_chunks * config.chunk_bytes
                values = np.concatenate([
                    requantise(pooled[p:p + 1], params[p * size:(p + 1) * size], insn)
                    for p in pixels])
            else:
                values = requantise(pooled, params, insn)
            if config.array.tables and insn["tables"]:
                values = look_up(np.ascontiguousarray(values), self.tables[bank],
                                 array.post_lanes)
            channels = block * array.cols + np.arange(array.cols)
            address = insn["out_addr"] + (channels // array.rows) * insn["out_plane"] \
                + pixels[:, None]
            self._check_range(address, insn)
            for part in np.array_split(pixels, 2):
                self.acts[address[part], channels % array.rows] = values[part]
                self.acts_valid[address[part], channels % array.rows] = True
                yield True
            self.full[bank] = self.busy[bank] = False
            self.posted ^= 1
