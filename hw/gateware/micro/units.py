"""The microprogram's part that moves data and does the arithmetic."""

from collections.abc import Callable

from hw.isa import Opcode

from .machine import LOOPS, Get, Op, Put, Slot
from .writer import PARAM_SLOTS, Unit, Writer

__all__ = ["write_compute", "write_load", "write_post", "write_store", "write_streams"]


def write_load(w: Writer, unit: Unit) -> None:
    """External memory to activation memory; nothing for a BARRIER."""
    w.ops((Op.LOAD, unit["runs"]), (Op.ZERO, "done_load"))  # a BARRIER

    def word():
        w.put("act", Put.ACT_ADDR)
        w.put("ext", Put.READ_LOAD)
        w.ops((Op.PUT, Put.ACT))
    _transfer(w, unit, word)


def write_store(w: Writer, unit: Unit) -> None:
    """Activation memory to external memory."""
    def word():
        w.put("act", Put.ACT_ADDR)
        w.put("ext", Put.WRITE_ADDR)
        w.ops((Op.GET, Get.ACT), (Op.PUT, Put.WRITE))
    _transfer(w, unit, word)


def _transfer(w: Writer, unit: Unit, word: Callable[[], None]) -> None:
    """Walk the runs and words of a transfer, between `ext` and `act`."""
    name = unit.name
    w.copy(unit["runs"], "runs")
    w.copy(unit["ext_addr"], "ext_run")
    w.copy(unit["act_addr"], "act_run")
    w.label(f"{name}_run")
    w.copy("ext_run", "ext")
    w.copy("act_run", "act")
    w.copy(unit["run_words"], "words")
    w.label(f"{name}_word")
    word()
    w.add("ext", w.config.word_pitch_bytes)
    w.add("act", 1)
    w.loop("words", f"{name}_word")
    w.add("ext_run", unit["ext_stride"])
    w.add("act_run", unit["act_stride"])
    w.loop("runs", f"{name}_run")


def _pull(w: Writer, *then: tuple) -> None:
    """Take the next four bytes of the weight stream, and what is to be done with them."""
    w.calls += 1
    here, goes = f"pull_{w.calls}", f"pulls_{w.calls}"
    w.label(here)
    w.ops((Op.LOAD, "pull_left"), (Op.SOME, goes))
    w.const(here, "more_back")
    w.ops((Op.JUMP, "more"))
    w.label(goes)
    w.ops((Op.STEP, -1), (Op.STORE, "pull_left"), (Op.PUT, Put.READ_WEIGHTS), *then)


def write_streams(w: Writer) -> None:
    """Routines: go on to the next stream of weights; have done with one."""
    weights, compute = w.units[Opcode.WEIGHTS], w.units[Opcode.COMPUTE]
    w.label("more")
    w.call("close")
    w.label("more_there")
    w.ops((Op.LOAD, "weights_count"), (Op.SOME, "open_stream"), (Op.PUT, Put.SYNC))
    w.wait(compute, "more_there")
    w.label("open_stream")
    w.select(weights)
    w.put(weights["ext_addr"], Put.STREAM)
    w.copy(weights["chunks"], "pull_left")
    w.const(1, "pull_open")
    w.select(compute)
    w.give_back("more")
    w.label("close")
    w.ops((Op.LOAD, "pull_open"), (Op.ZERO, "closed"))
    w.const(0, "pull_open", "stale")
    w.select(weights)
    w.log_marked(weights, "unmarked_weights", amid=compute)
    w.add("weights_count", -1)
    w.advance(weights, "head", "next_stream")
    w.select(compute)
    w.label("closed")
    w.give_back("close")


def write_compute(w: Writer, unit: Unit) -> None:
    """Tile by tile, through the pixels of a stripe."""
    cols = w.config.array.cols
    w.put(unit["kernel_h"], Put.FACTOR)
    w.ops((Op.LOAD, unit["kernel_w"]), (Op.PUT, Put.TIMES), (Op.PUT, Put.FACTOR),
          (Op.LOAD, unit["in_blocks"]), (Op.PUT, Put.TIMES), (Op.SUB, unit["tiles"]),
          (Op.SOME, "bad"))
    w.put(unit["in_w"], Put.FACTOR)
    w.ops((Op.LOAD, unit["stride_h"]), (Op.PUT, Put.TIMES), (Op.PUT, Put.ROW_STEP),
          (Op.LOAD, unit["dilation_h"]), (Op.PUT, Put.TIMES), (Op.STORE, "kernel_row"),
          (Op.LOAD, unit["pad_top"]), (Op.PUT, Put.TIMES), (Op.STORE, "origin"),
          (Op.LOAD, unit["in_addr"]), (Op.SUB, "origin"), (Op.SUB, unit["pad_left"]),
          (Op.STORE, "origin"))
    for put in LOOPS:
        w.put(unit[put.name.lower()], put)
    w.copy(unit["out_blocks"], "blocks")
    w.label("block")
    w.ops((Op.LOAD, unit["first"]), (Op.ZERO, "opened"),
          (Op.LOAD, "occupied"), (Op.STEP, -2), (Op.SOME, "open"))
    w.wait(unit, "block")
    w.label("open")
    w.add("occupied", 1)
    w.label("opened")
    w.ops((Op.LOAD, unit["last"]), (Op.ZERO, "tiles"))
    for k in range(2 * cols):
        _pull(w, (Op.STORE, "pulled"))
        w.put("bank_params", Put.SLOT)
        w.copy("pulled", Slot(k))
        w.select(unit)
    w.label("tiles")
    w.ops((Op.LOAD, unit["first"]), (Op.ADD, "bank"), (Op.STORE, "start"))
    w.copy("origin", "plane")
    w.copy(unit["in_blocks"], "inputs")
    w.label("input")
    w.copy("plane", "row")
    w.copy(unit["kernel_h"], "rows")
    w.negate(unit["pad_top"], "y")
    w.label("row")
    w.put("row", Put.TILE_ADDR)
    w.put("y", Put.TILE_Y)
    w.ops((Op.SET, 0), (Op.SUB, unit["pad_left"]), (Op.PUT, Put.TILE_X))
    w.copy(unit["kernel_w"], "columns")
    w.label("tile")
    for _ in range(w.config.tile_chunks):
        _pull(w, (Op.PUT, Put.WEIGHTS))
    w.put("start", Put.START)
    w.copy("bank", "start")  # the others add
    w.loop("columns", "tile")
    w.add("row", "kernel_row")
    w.add("y", unit["dilation_h"])
    w.loop("rows", "row")
    w.add("plane", unit["in_plane"])
    w.loop("inputs", "input")
    w.ops((Op.PUT, Put.SYNC), (Op.LOAD, unit["last"]), (Op.ZERO, "kept_open"))
    w.add("filled", 1)
    w.toggle("bank", 0, 2)
    w.toggle("bank_params", *PARAM_SLOTS)
    w.const(0, "stale")
    w.label("kept_open")
    w.loop("blocks", "block")
    w.ops((Op.LOAD, "pull_left"), (Op.SOME, "done_compute"))
    w.call("close")


def write_post(w: Writer, unit: Unit) -> None:
    """Pool, requantise and write finished accumulators."""
    config = w.config
    rows, cols = config.array.rows, config.array.cols
    w.copy(unit["out_blocks"], "drains")
    w.copy(unit["out_addr"], "out_plane")
    w.copy(unit["offset"], "offset")
    w.const(0, "out_lane")
    w.label("drain")
    w.ops((Op.LOAD, "filled"), (Op.SOME, "full"))
    w.wait(unit, "drain")
    w.label("full")
    w.copy("out_plane", "out")
    w.copy("post_base", "sum_at")
    # 0, each window is one sum, they follow each other, and there are no more than sums
    w.ops((Op.LOAD, unit["pool_h"]),
          *((Op.ADD, unit[f"pool_{n}"]) for n in ("w", "stride_h", "stride_w", "top", "left")),
          (Op.STEP, -4), (Op.SOME, "pools"),
          (Op.LOAD, unit["conv_w"]), (Op.SUB, unit["out_w"]), (Op.SOME, "pools"),
          (Op.LOAD, unit["conv_h"]), (Op.SUB, unit["out_h"]))
    w.label("pools")
    w.ops((Op.STORE, "pooling"))
    w.copy(unit["out_h"], "out_rows")
    w.negate(unit["pool_top"], "top")
    w.label("out_row")
    w.copy(unit["out_w"], "out_columns")
    w.negate(unit["pool_left"], "left")
    w.label("out_pixel")
    w.ops((Op.LOAD, "pooling"), (Op.SOME, "window"), (Op.LOAD, "sum_at"),
          (Op.PUT, Put.ACC_ADDR), (Op.STEP, 1), (Op.STORE, "sum_at"))
    for c in range(cols):
        w.ops((Op.GET, Get.SUM + c), (Op.STORE, f"best_{c}"))
    w.ops((Op.JUMP, "pooled"))
    w.label("window")
    _window(w, unit)
    w.label("pooled")
    w.put("post_params", Put.SLOT)
    for c in range(cols):
        w.put(Slot(2 * c + 1), Put.FACTOR)
        w.ops((Op.LOAD, f"best_{c}"), (Op.ADD, Slot(2 * c)), (Op.PUT, Put.SCALE),
              (Op.ADD, "offset"), (Op.STORE, f"best_{c}"))
    w.select(unit)
    w.copy("out", "to")
    w.copy("out_lane", "lane")
    for c in range(cols):
        _clamp(w, unit, f"best_{c}", c)
        w.put("to", Put.ACT_ADDR)
        w.put("lane", Put.ACT_LANE)
        w.put(f"best_{c}", Put.ACT_BYTE)
        w.add("lane", 1)
        w.ops((Op.STEP, -rows), (Op.SOME, f"same_word_{c}"))
        w.const(0, "lane")
        w.add("to", unit["out_plane"])
        w.label(f"same_word_{c}")
    w.ops((Op.LOAD, "to"), (Op.SUB, "out"), (Op.STORE, "planes"))
    w.add("out", 1)
    w.add("left", unit["pool_stride_w"])
    w.loop("out_columns", "out_pixel")
    w.add("top", unit["pool_stride_h"])
    w.loop("out_rows", "out_row")
    w.copy("lane", "out_lane")
    w.add("out_plane", "planes")
    w.add("occupied", -1)
    w.add("filled", -1)
    w.toggle("post_base", 0, config.buffers.acc_depth)
    w.toggle("post_params", *PARAM_SLOTS)
    w.const(0, "stale")
    w.loop("drains", "drain")


def _inside(w: Writer, variable: str, limit: Slot, inside: str, outside: str) -> None:
    """Go to one of two labels."""
    w.ops((Op.LOAD, variable), (Op.MINUS, outside), (Op.SUB, limit), (Op.MINUS, inside),
          (Op.JUMP, outside))
    w.label(inside)


def _window(w: Writer, unit: Unit) -> None:
    """The largest sum of each column in a pooling window; sums are never the lowest number."""
    cols = w.config.array.cols
    w.copy("lowest", *(f"best_{c}" for c in range(cols)))
    w.copy(unit["pool_h"], "rows_left")
    w.copy("top", "line")
    w.label("window_row")
    _inside(w, "line", unit["conv_h"], "line_inside", "window_next_row")
    w.put(unit["conv_w"], Put.FACTOR)
    w.ops((Op.LOAD, "line"), (Op.PUT, Put.TIMES), (Op.ADD, "post_base"),
          (Op.STORE, "line_at"))
    w.copy(unit["pool_w"], "columns_left")
    w.copy("left", "column")
    w.label("window_column")
    _inside(w, "column", unit["conv_w"], "column_inside", "window_next_column")
    w.ops((Op.LOAD, "line_at"), (Op.ADD, "column"), (Op.PUT, Put.ACC_ADDR),
          (Op.STEP, 0))  # while it is read
    for c in range(cols):
        w.ops((Op.GET, Get.SUM + c), (Op.SUB, f"best_{c}"), (Op.MINUS, f"less_{c}"),
              (Op.GET, Get.SUM + c), (Op.STORE, f"best_{c}"))
        w.label(f"less_{c}")
    w.label("window_next_column")
    w.add("column", 1)
    w.loop("columns_left", "window_column")
    w.label("window_next_row")
    w.add("line", 1)
    w.loop("rows_left", "window_row")
    w.ops((Op.LOAD, "best_0"), (Op.SUB, "lowest"), (Op.ZERO, "bad"))  # there was none


def _clamp(w: Writer, unit: Unit, variable: str, number: int) -> None:
    """Bring a variable between `low` and `high`."""
    w.ops((Op.LOAD, variable), (Op.SUB, unit["high"]), (Op.MINUS, f"not_above_{number}"))
    w.copy(unit["high"], variable)
    w.label(f"not_above_{number}")
    w.ops((Op.LOAD, variable), (Op.SUB, unit["low"]), (Op.MINUS, f"below_{number}"),
          (Op.JUMP, f"clamped_{number}"))
    w.label(f"below_{number}")
    w.copy(unit["low"], variable)
    w.label(f"clamped_{number}")
