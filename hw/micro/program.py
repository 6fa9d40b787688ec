"""The microprogram: what each instruction of `hw.isa` means, as steps of the core.

The units of the other core are routines here, which take turns: each goes on until it is done or
has to wait for another. Instructions wait in slots of the register file, a few for each unit.
"""

from ..config import Config
from ..isa import (
    FORMATS,
    HEADER,
    INSN_BYTES,
    Cause,
    ErrorCode,
    Field,
    Opcode,
    Token,
    tokens_of,
    used_bits,
)
from ..registers import COUNTERS, FINAL_WORDS
from .machine import VARIABLE_SLOTS, Assembler, Get, Op, Put, Slot

__all__ = ["SLOTS_BEFORE", "microprogram", "slots"]

_UNITS = (Opcode.LOAD, Opcode.STORE, Opcode.WEIGHTS, Opcode.COMPUTE, Opcode.POST)
#: What the cycles of a unit count for, but for those in which the array multiplies.
_CAUSES = {Opcode.LOAD: Cause.ACTS, Opcode.STORE: Cause.DRAIN, Opcode.COMPUTE: Cause.WEIGHTS,
           Opcode.POST: Cause.DRAIN}
#: Slots before those of the units: variables, and two banks of requantisation parameters.
SLOTS_BEFORE = VARIABLE_SLOTS + 2
#: Rounds of all units in which nothing moves, after which nothing can.
_ROUNDS = 3
_WORD = 32


def slots(config: Config) -> int:
    """Slots of the register file: an instruction under way and those that wait, for each unit."""
    return SLOTS_BEFORE + len(_UNITS) * (config.buffers.queue_depth + 1)


class _Unit:
    """Where a unit's instructions lie: its ring of slots, and their words by name."""

    def __init__(self, config: Config, opcode: Opcode):
        self.name, self.opcode = opcode.name.lower(), opcode
        self.depth = config.buffers.queue_depth + 1
        self.first = SLOTS_BEFORE + _UNITS.index(opcode) * self.depth
        self.waits, self.signals = (tokens_of(opcode, side) for side in ("wait", "signal"))
        names = ["mark", "layer", *(f"wait_{t.name}" for t in self.waits),
                 *(f"signal_{t.name}" for t in self.signals),
                 *(f.name for f in FORMATS[opcode] if used_bits(config, opcode, f))]
        self._at = {name: k for k, name in enumerate(names)}

    def __getitem__(self, name: str) -> Slot:
        return Slot(self._at[name])

    def __contains__(self, name: str) -> bool:
        return name in self._at


def microprogram(config: Config) -> Assembler:
    """Assemble the program of a configuration; its label `trap` is where errors go."""
    return _Writer(config).assembler


class _Writer:
    """Writes the microprogram, routine by routine."""

    def __init__(self, config: Config):
        self._config = config
        self.assembler = Assembler()
        self._calls = 0
        self._units = {op: _Unit(config, op) for op in _UNITS}
        self._boot()
        self._dispatch()
        for opcode, body in ((Opcode.LOAD, self._load), (Opcode.STORE, self._store),
                             (Opcode.COMPUTE, self._compute), (Opcode.POST, self._post)):
            self._run(self._units[opcode], body)
        self._rounds()
        self._streams()
        self._count()
        self._mark()
        self._end()

    # -- shorthand -------------------------------------------------------------------------
    def _label(self, name):
        self.assembler.label(name)

    def _ops(self, *steps):
        """Pairs of operation and operand; operations without one alone."""
        for step in steps:
            self.assembler.emit(*(step if isinstance(step, tuple) else (step,)))

    def _take(self, value, put):
        self._ops((Op.LOAD, value), (Op.PUT, put))

    def _copy(self, source, *targets):
        self._ops((Op.LOAD, source), *((Op.STORE, t) for t in targets))

    def _const(self, value, *targets):
        self._ops((Op.SET, value), *((Op.STORE, t) for t in targets))

    def _add(self, target, amount):
        """Add a number or a word to a variable."""
        self._ops((Op.LOAD, target),
                  (Op.STEP, amount) if isinstance(amount, int) else (Op.ADD, amount),
                  (Op.STORE, target))

    def _loop(self, count, start):
        """One round less to go: back to the start unless that was the last."""
        self._add(count, -1)
        self._ops((Op.SOME, start))

    def _call(self, routine):
        self._calls += 1
        back = f"back_{self._calls}"
        self._const(back, f"{routine}_back")
        self._ops((Op.JUMP, routine))
        self._label(back)

    def _return(self, routine):
        self._take(f"{routine}_back", Put.GOTO)

    def _negated(self, value, target):
        self._ops((Op.SET, 0), (Op.SUB, value), (Op.STORE, target))

    def _error(self, code):
        self._ops((Op.SET, code.value), (Op.PUT, Put.ERROR))

    def _select(self, unit):
        self._take(f"{unit.name}_head", Put.SLOT)

    # -- start, and the round of all units ---------------------------------------------------
    def _boot(self):
        self._const(0, *(f"token_{t.name}" for t in Token), *(f"count_{c.name}" for c in Cause),
                    *(f"{u.name}_{n}" for u in self._units.values() for n in ("count", "resume")),
                    "ended", "stale", "occupied", "filled", "bank", "post_base", "last", "fired",
                    "pull_left", "pull_open", "log_at")
        for unit in self._units.values():
            self._const(unit.first, f"{unit.name}_head", f"{unit.name}_tail")
        self._const(VARIABLE_SLOTS, "bank_params", "post_params")
        self._const(1, "raw")
        self._ops((Op.BITS, "raw"), (Op.SET, 0), (Op.TAKE, 1), (Op.STORE, "lowest"))
        self._ops((Op.GET, Get.PROGRAM), (Op.STORE, "program"))
        self._label("round")
        self._add("stale", 1)
        self._ops((Op.STEP, -_ROUNDS), (Op.ZERO, "underflow"),
                  (Op.LOAD, "ended"), (Op.SOME, "units"))

    def _rounds(self):
        """After the last unit's turn."""
        others = [u for u in self._units.values() if u.opcode is not Opcode.WEIGHTS]
        self._ops((Op.LOAD, "ended"), (Op.ZERO, "round"), (Op.LOAD, f"{others[0].name}_count"),
                  *((Op.ADD, f"{u.name}_count") for u in others[1:]), (Op.SOME, "round"),
                  (Op.JUMP, "finish"))

    # -- instructions ------------------------------------------------------------------------
    def _dispatch(self):
        """Read an instruction, check it, and put it where its unit finds it."""
        self._ops((Op.SET, Opcode.END.value), (Op.PUT, Put.OPCODE))
        self._word(0)
        bits = _Bits(self)
        for field in HEADER[:3]:
            bits.take(field.bits)
            self._ops((Op.STORE, f"new_{field.name}"))
        self._take("new_opcode", Put.OPCODE)
        self._take("new_layer", Put.LAYER)
        for opcode in FORMATS:
            self._ops((Op.LOAD, "new_opcode"), (Op.STEP, -opcode.value),
                      (Op.ZERO, f"read_{opcode.name}"))
        self._error(ErrorCode.ILLEGAL_OPCODE)
        self._label("bad")
        self._error(ErrorCode.BAD_FIELD)
        position = bits.position
        for opcode in FORMATS:
            self._label(f"read_{opcode.name}")
            self._read(opcode, _Bits(self, position))

    def _word(self, number):
        """Put a word of the new instruction into the bit register."""
        self._ops((Op.LOAD, "program"), (Op.STEP, 4 * number), (Op.PUT, Put.READ_PROGRAM),
                  (Op.STORE, "raw"), (Op.BITS, "raw"))

    def _read(self, opcode, bits):
        config = self._config
        unit = self._units.get(Opcode.LOAD if opcode is Opcode.BARRIER else opcode)
        if unit:
            self._ops((Op.LOAD, f"{unit.name}_count"), (Op.STEP, -unit.depth), (Op.ZERO, "units"))
            self._take(f"{unit.name}_tail", Put.SLOT)
            self._copy("new_mark", unit["mark"])
            self._copy("new_layer", unit["layer"])
        for side in HEADER[3:]:
            used = used_bits(config, opcode, side)
            bit = 0
            while bit < side.bits:
                unused = next((b for b in range(bit, side.bits) if b in used), side.bits) - bit
                bits.take(unused or 1)
                self._ops((Op.SOME, "bad") if unused
                          else (Op.STORE, unit[f"{side.name}_{Token(bit).name}"]))
                bit += unused or 1
        for field in FORMATS[opcode]:
            self._field(opcode, field, unit, bits)
        if opcode is Opcode.END:
            self._const(1, "ended")
        elif opcode is Opcode.BARRIER:  # nobody else is there to wait for
            self._const(0, unit["runs"])
        elif opcode is Opcode.WEIGHTS:
            self._ops((Op.LOAD, unit["chunks"]), (Op.STORE, "raw"))
            for _ in range(config.chunk_bytes.bit_length() - 1):
                self._ops((Op.ADD, "raw"), (Op.STORE, "raw"))
            self._ops((Op.GET, Get.WINDOW), (Op.SUB, "raw"), (Op.SUB, unit["ext_addr"]),
                      (Op.MINUS, "beyond"))
        if unit:
            self._add(f"{unit.name}_count", 1)
            self._advance(unit, "tail", f"told_{opcode.name}")
        self._add("program", INSN_BYTES)
        self._const(0, "stale")
        if opcode is not list(FORMATS)[-1]:
            self._ops((Op.JUMP, "units"))
        if opcode is Opcode.WEIGHTS:
            self._label("beyond")
            self._error(ErrorCode.ADDRESS_WINDOW)

    def _field(self, opcode, field: Field, unit, bits):
        used = len(used_bits(self._config, opcode, field))
        if used:
            bits.take(used, signed=field.signed)
            if field.nonzero:
                self._ops((Op.ZERO, "bad"))
            if unit and field.name in unit:
                self._ops((Op.STORE, unit[field.name]))
        if used < field.bits:
            bits.take(field.bits - used)
            self._ops((Op.SOME, "bad"))

    def _advance(self, unit, end, label):
        """Go on to the next slot of a unit's ring."""
        self._add(f"{unit.name}_{end}", 1)
        self._ops((Op.STEP, -(unit.first + unit.depth)), (Op.SOME, label))
        self._const(unit.first, f"{unit.name}_{end}")
        self._label(label)

    def _run(self, unit, body):
        """A unit's turn: begin an instruction whose tokens are there, or go on with one."""
        name, after = unit.name, f"after_{unit.name}"
        if unit.opcode is Opcode.LOAD:
            self._label("units")
        self._ops((Op.LOAD, f"{name}_count"), (Op.ZERO, after))
        self._select(unit)
        self._take(unit["layer"], Put.LAYER)
        self._ops((Op.SET, unit.opcode.value), (Op.PUT, Put.OPCODE),
                  (Op.LOAD, f"{name}_resume"), (Op.ZERO, f"new_{name}"), (Op.PUT, Put.GOTO))
        self._label(f"new_{name}")
        for t in unit.waits:
            self._ops((Op.LOAD, f"token_{t.name}"), (Op.SUB, unit[f"wait_{t.name}"]),
                      (Op.MINUS, after))
        for t in unit.waits:
            self._ops((Op.LOAD, f"token_{t.name}"), (Op.SUB, unit[f"wait_{t.name}"]),
                      (Op.STORE, f"token_{t.name}"))
        body(unit)
        self._label(f"done_{name}")
        for t in unit.signals:
            self._ops((Op.LOAD, f"token_{t.name}"), (Op.ADD, unit[f"signal_{t.name}"]),
                      (Op.STORE, f"token_{t.name}"), (Op.STEP, -256), (Op.ZERO, "overflow"))
        self._const(0, "stale", f"{name}_resume")
        self._spent(unit)
        self._marked(unit, f"unmarked_{name}")
        self._add(f"{name}_count", -1)
        self._advance(unit, "head", after)

    def _marked(self, unit, otherwise):
        """Log an instruction that has a mark."""
        self._ops((Op.LOAD, unit["mark"]), (Op.ZERO, otherwise))
        self._copy(unit["layer"], "mark_layer")
        self._call("mark")
        self._label(otherwise)

    def _spent(self, unit):
        self._call("count")
        self._add(f"count_{_CAUSES[unit.opcode].name}", "spent")

    def _wait(self, unit, where):
        """Let the others have their turns; go on at a label."""
        self._const(where, f"{unit.name}_resume")
        self._spent(unit)
        self._ops((Op.JUMP, f"after_{unit.name}"))

    # -- transfers ---------------------------------------------------------------------------
    def _load(self, unit):
        self._ops((Op.LOAD, unit["runs"]), (Op.ZERO, "done_load"))  # a BARRIER

        def word():
            self._take("act", Put.ACT_ADDR)
            self._take("ext", Put.READ_LOAD)
            self._ops((Op.PUT, Put.ACT))
        self._transfer(unit, word)

    def _store(self, unit):
        def word():
            self._take("act", Put.ACT_ADDR)
            self._take("ext", Put.WRITE_ADDR)
            self._ops((Op.GET, Get.ACT), (Op.PUT, Put.WRITE))
        self._transfer(unit, word)

    def _transfer(self, unit, word):
        name = unit.name
        self._copy(unit["runs"], "runs")
        self._copy(unit["ext_addr"], "ext_run")
        self._copy(unit["act_addr"], "act_run")
        self._label(f"{name}_run")
        self._copy("ext_run", "ext")
        self._copy("act_run", "act")
        self._copy(unit["run_words"], "words")
        self._label(f"{name}_word")
        word()
        self._add("ext", self._config.word_pitch_bytes)
        self._add("act", 1)
        self._loop("words", f"{name}_word")
        self._add("ext_run", unit["ext_stride"])
        self._add("act_run", unit["act_stride"])
        self._loop("runs", f"{name}_run")

    def _pull(self, *then):
        """Take the next four bytes of the weight stream, and what is to be done with them."""
        self._calls += 1
        here, goes = f"pull_{self._calls}", f"pulls_{self._calls}"
        self._label(here)
        self._ops((Op.LOAD, "pull_left"), (Op.SOME, goes))
        self._const(here, "more_back")
        self._ops((Op.JUMP, "more"))
        self._label(goes)
        self._ops((Op.STEP, -1), (Op.STORE, "pull_left"), (Op.PUT, Put.READ_WEIGHTS), *then)

    def _streams(self):
        """Routines: go on to the next stream of weights; have done with one."""
        weights, compute = self._units[Opcode.WEIGHTS], self._units[Opcode.COMPUTE]
        self._label("more")
        self._call("close")
        self._label("more_there")
        self._ops((Op.LOAD, "weights_count"), (Op.SOME, "open_stream"), (Op.PUT, Put.SYNC))
        self._wait(compute, "more_there")
        self._label("open_stream")
        self._select(weights)
        self._take(weights["ext_addr"], Put.STREAM)
        self._copy(weights["chunks"], "pull_left")
        self._const(1, "pull_open")
        self._select(compute)
        self._return("more")
        self._label("close")
        self._ops((Op.LOAD, "pull_open"), (Op.ZERO, "closed"))
        self._const(0, "pull_open", "stale")
        self._select(weights)
        self._ops((Op.LOAD, weights["mark"]), (Op.ZERO, "unmarked_weights"), (Op.PUT, Put.SYNC))
        self._copy(weights["layer"], "mark_layer")
        self._spent(compute)
        self._call("mark")
        self._label("unmarked_weights")
        self._add("weights_count", -1)
        self._advance(weights, "head", "next_stream")
        self._select(compute)
        self._label("closed")
        self._return("close")

    # -- arithmetic --------------------------------------------------------------------------
    def _compute(self, unit):
        cols = self._config.array.cols
        self._take(unit["in_w"], Put.FACTOR)
        self._ops((Op.LOAD, unit["stride"]), (Op.PUT, Put.TIMES), (Op.PUT, Put.ROW_STEP),
                  (Op.LOAD, unit["pad_top"]), (Op.PUT, Put.TIMES), (Op.STORE, "origin"),
                  (Op.LOAD, unit["in_addr"]), (Op.SUB, "origin"), (Op.SUB, unit["pad_left"]),
                  (Op.STORE, "origin"))
        for put in (Put.STRIDE, Put.IN_W, Put.IN_H, Put.OUT_W, Put.OUT_H):
            self._take(unit[put.name.lower()], put)
        self._copy(unit["out_blocks"], "blocks")
        self._label("block")
        self._ops((Op.LOAD, unit["first"]), (Op.ZERO, "opened"),
                  (Op.LOAD, "occupied"), (Op.STEP, -2), (Op.SOME, "open"))
        self._wait(unit, "block")
        self._label("open")
        self._add("occupied", 1)
        self._label("opened")
        self._ops((Op.LOAD, unit["last"]), (Op.ZERO, "tiles"))
        for k in range(2 * cols):
            self._pull((Op.STORE, "pulled"))
            self._take("bank_params", Put.SLOT)
            self._copy("pulled", Slot(k))
            self._select(unit)
        self._label("tiles")
        self._ops((Op.LOAD, unit["first"]), (Op.ADD, "bank"), (Op.STORE, "start"))
        self._copy("origin", "plane")
        self._copy(unit["in_blocks"], "inputs")
        self._label("input")
        self._copy("plane", "row")
        self._copy(unit["kernel_h"], "rows")
        self._negated(unit["pad_top"], "y")
        self._label("row")
        self._take("row", Put.TILE_ADDR)
        self._take("y", Put.TILE_Y)
        self._ops((Op.SET, 0), (Op.SUB, unit["pad_left"]), (Op.PUT, Put.TILE_X))
        self._copy(unit["kernel_w"], "columns")
        self._label("tile")
        for _ in range(self._config.tile_chunks):
            self._pull((Op.PUT, Put.WEIGHTS))
        self._take("start", Put.START)
        self._copy("bank", "start")  # the others add
        self._loop("columns", "tile")
        self._add("row", unit["in_w"])
        self._add("y", 1)
        self._loop("rows", "row")
        self._add("plane", unit["in_plane"])
        self._loop("inputs", "input")
        self._ops((Op.PUT, Put.SYNC), (Op.LOAD, unit["last"]), (Op.ZERO, "kept_open"))
        self._add("filled", 1)
        self._toggle("bank", 0, 2)
        self._toggle("bank_params", VARIABLE_SLOTS, VARIABLE_SLOTS + 1)
        self._const(0, "stale")
        self._label("kept_open")
        self._loop("blocks", "block")
        self._ops((Op.LOAD, "pull_left"), (Op.SOME, "done_compute"))
        self._call("close")

    def _toggle(self, variable, one, other):
        self._ops((Op.SET, one + other), (Op.SUB, variable), (Op.STORE, variable))

    def _post(self, unit):
        config = self._config
        rows, cols = config.array.rows, config.array.cols
        self._copy(unit["out_blocks"], "drains")
        self._copy(unit["out_addr"], "out_plane")
        self._const(0, "out_lane")
        self._label("drain")
        self._ops((Op.LOAD, "filled"), (Op.SOME, "full"))
        self._wait(unit, "drain")
        self._label("full")
        self._copy("out_plane", "out")
        self._copy("post_base", "sum_at")
        # 1, each window is one sum, and they follow each other
        self._const(0, "plain")
        self._ops((Op.LOAD, unit["pool_h"]),
                  *((Op.ADD, unit[f"pool_{n}"]) for n in ("w", "stride", "top", "left")),
                  (Op.STEP, -3), (Op.SOME, "pools"),
                  (Op.LOAD, unit["conv_w"]), (Op.SUB, unit["out_w"]), (Op.SOME, "pools"))
        self._const(1, "plain")
        self._label("pools")
        self._copy(unit["out_h"], "out_rows")
        self._negated(unit["pool_top"], "top")
        self._label("out_row")
        self._copy(unit["out_w"], "out_columns")
        self._negated(unit["pool_left"], "left")
        self._label("out_pixel")
        self._ops((Op.LOAD, "plain"), (Op.ZERO, "window"), (Op.LOAD, "sum_at"),
                  (Op.PUT, Put.ACC_ADDR), (Op.STEP, 1), (Op.STORE, "sum_at"))
        for c in range(cols):
            self._ops((Op.GET, Get.SUM + c), (Op.STORE, f"best_{c}"))
        self._ops((Op.JUMP, "pooled"))
        self._label("window")
        self._window(unit)
        self._label("pooled")
        self._take("post_params", Put.SLOT)
        for c in range(cols):
            self._take(Slot(2 * c + 1), Put.FACTOR)
            self._ops((Op.LOAD, f"best_{c}"), (Op.ADD, Slot(2 * c)), (Op.PUT, Put.SCALE),
                      (Op.STORE, f"best_{c}"))
        self._select(unit)
        self._copy("out", "to")
        self._copy("out_lane", "lane")
        for c in range(cols):
            self._clamp(unit, f"best_{c}", c)
            self._take("to", Put.ACT_ADDR)
            self._take("lane", Put.ACT_LANE)
            self._take(f"best_{c}", Put.ACT_BYTE)
            self._add("lane", 1)
            self._ops((Op.STEP, -rows), (Op.SOME, f"same_word_{c}"))
            self._const(0, "lane")
            self._add("to", unit["out_plane"])
            self._label(f"same_word_{c}")
        self._ops((Op.LOAD, "to"), (Op.SUB, "out"), (Op.STORE, "planes"))
        self._add("out", 1)
        self._add("left", unit["pool_stride"])
        self._loop("out_columns", "out_pixel")
        self._add("top", unit["pool_stride"])
        self._loop("out_rows", "out_row")
        self._copy("lane", "out_lane")
        self._add("out_plane", "planes")
        self._add("occupied", -1)
        self._add("filled", -1)
        self._toggle("post_base", 0, config.buffers.acc_depth)
        self._toggle("post_params", VARIABLE_SLOTS, VARIABLE_SLOTS + 1)
        self._const(0, "stale")
        self._loop("drains", "drain")

    def _inside(self, variable, limit, inside, outside):
        """Go to one of two labels."""
        self._ops((Op.LOAD, variable), (Op.MINUS, outside), (Op.SUB, limit), (Op.MINUS, inside),
                  (Op.JUMP, outside))
        self._label(inside)

    def _window(self, unit):
        """The largest sum of each column in a pooling window."""
        cols = self._config.array.cols
        self._copy("lowest", *(f"best_{c}" for c in range(cols)))
        self._copy(unit["pool_h"], "rows_left")
        self._copy("top", "line")
        self._label("window_row")
        self._inside("line", unit["conv_h"], "line_inside", "window_next_row")
        self._take(unit["conv_w"], Put.FACTOR)
        self._ops((Op.LOAD, "line"), (Op.PUT, Put.TIMES), (Op.ADD, "post_base"),
                  (Op.STORE, "line_at"))
        self._copy(unit["pool_w"], "columns_left")
        self._copy("left", "column")
        self._label("window_column")
        self._inside("column", unit["conv_w"], "column_inside", "window_next_column")
        self._ops((Op.LOAD, "line_at"), (Op.ADD, "column"), (Op.PUT, Put.ACC_ADDR),
                  (Op.STEP, 0))  # while it is read
        for c in range(cols):
            self._ops((Op.GET, Get.SUM + c), (Op.SUB, f"best_{c}"), (Op.MINUS, f"less_{c}"),
                      (Op.GET, Get.SUM + c), (Op.STORE, f"best_{c}"))
            self._label(f"less_{c}")
        self._label("window_next_column")
        self._add("column", 1)
        self._loop("columns_left", "window_column")
        self._label("window_next_row")
        self._add("line", 1)
        self._loop("rows_left", "window_row")

    def _clamp(self, unit, variable, number):
        self._ops((Op.LOAD, variable), (Op.SUB, unit["high"]), (Op.MINUS, f"not_above_{number}"))
        self._copy(unit["high"], variable)
        self._label(f"not_above_{number}")
        self._ops((Op.LOAD, variable), (Op.SUB, unit["low"]), (Op.MINUS, f"below_{number}"),
                  (Op.JUMP, f"clamped_{number}"))
        self._label(f"below_{number}")
        self._copy(unit["low"], variable)
        self._label(f"clamped_{number}")

    # -- counters ----------------------------------------------------------------------------
    def _count(self):
        """Routine: what has passed since it was called last, less what the array worked."""
        self._label("count")
        self._ops((Op.GET, Get.TOTAL), (Op.STORE, "now"), (Op.SUB, "last"), (Op.STORE, "spent"))
        self._copy("now", "last")
        self._ops((Op.GET, Get.FIRED), (Op.STORE, "now"), (Op.SUB, "fired"), (Op.STORE, "worked"))
        self._copy("now", "fired")
        self._add(f"count_{Cause.COMPUTE.name}", "worked")
        self._ops((Op.LOAD, "spent"), (Op.SUB, "worked"), (Op.STORE, "spent"))
        self._return("count")

    def _mark(self):
        """Routine: log the counters as the end of `mark_layer`."""
        self._label("mark")
        self._ops((Op.LOAD, "log_at"), (Op.STEP, -16 * self._config.buffers.log_entries),
                  (Op.ZERO, "log_full"))
        self._take("log_at", Put.LOG_ADDR)
        self._take("mark_layer", Put.LOG)
        self._take("last", Put.LOG)
        self._log_counters()
        self._add("log_at", 16)
        self._label("log_full")
        self._take("mark_layer", Put.MARK)
        self._return("mark")

    def _log_counters(self):
        for name in COUNTERS:
            self._take(f"count_{name}", Put.LOG)

    # -- the end -----------------------------------------------------------------------------
    def _end(self):
        for label, code in (("overflow", ErrorCode.TOKEN_OVERFLOW),
                            ("underflow", ErrorCode.TOKEN_UNDERFLOW)):
            self._label(label)
            self._ops((Op.SET, 0), (Op.PUT, Put.OPCODE))
            self._error(code)
        self._label("trap")
        self._label("finish")
        self._ops((Op.PUT, Put.STOP))
        self._call("count")
        self._add(f"count_{Cause.ACTS.name}", "spent")
        self._ops((Op.SET, FINAL_WORDS["TOTAL"]), (Op.PUT, Put.LOG_ADDR))
        self._take("last", Put.LOG)
        self._ops((Op.SET, FINAL_WORDS[COUNTERS[0]]), (Op.PUT, Put.LOG_ADDR))
        self._log_counters()
        self._ops((Op.PUT, Put.READY))


class _Bits:
    """Takes an instruction apart, bit by bit."""

    def __init__(self, writer: _Writer, position: int = 0):
        self._writer = writer
        self.position = position

    def take(self, bits: int, *, signed: bool = False) -> None:
        """The next bits become the accumulator."""
        ops, left = self._writer._ops, bits
        while left:
            if self.position and self.position % _WORD == 0:
                ops((Op.STORE, "part"))
                self._writer._word(self.position // _WORD)
                ops((Op.LOAD, "part"))
            now = min(left, _WORD - self.position % _WORD)
            ops((Op.TAKE, now))
            self.position += now
            left -= now
        if bits < _WORD:
            ops((Op.SPREAD if signed else Op.FILL, _WORD - bits))
