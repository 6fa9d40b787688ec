"""The microprogram: what each instruction of `hw.isa` means, as steps of the core.

The units of the other core are routines here, which take turns: each goes on until it is done or
has to wait for another. Instructions wait in slots of the register file, a few for each unit.
"""

from collections.abc import Callable

from hw.config import Config
from hw.isa import Cause, ErrorCode, Opcode, Token
from hw.registers import COUNTERS, FINAL_WORDS

from .machine import Assembler, Get, Op, Put
from .reading import write_dispatch
from .units import write_compute, write_load, write_post, write_store, write_streams
from .writer import PARAM_SLOTS, Unit, Writer

__all__ = ["microprogram"]

#: Rounds of all units in which nothing moves, after which nothing can.
_ROUNDS = 3


def microprogram(config: Config) -> Assembler:
    """Assemble the program of a configuration; its label `trap` is where errors go."""
    w = Writer(config)
    _boot(w)
    write_dispatch(w)
    for opcode, body in ((Opcode.LOAD, write_load), (Opcode.STORE, write_store),
                         (Opcode.COMPUTE, write_compute), (Opcode.POST, write_post)):
        _run(w, w.units[opcode], body)
    _rounds(w)
    write_streams(w)
    _count(w)
    _mark(w)
    _end(w)
    return w.assembler


def _boot(w: Writer) -> None:
    w.const(0, *(f"token_{t.name}" for t in Token), *(f"count_{c.name}" for c in Cause),
            *(f"{u.name}_{n}" for u in w.units.values() for n in ("count", "resume")),
            "ended", "stale", "occupied", "filled", "bank", "post_base", "last", "fired",
            "pull_left", "pull_open", "log_at")
    for unit in w.units.values():
        w.const(unit.first, f"{unit.name}_head", f"{unit.name}_tail")
    w.const(PARAM_SLOTS[0], "bank_params", "post_params")
    w.const(1, "raw")
    w.ops((Op.BITS, "raw"), (Op.SET, 0), (Op.TAKE, 1), (Op.STORE, "lowest"))
    w.ops((Op.GET, Get.PROGRAM), (Op.STORE, "program"))
    w.label("round")
    w.add("stale", 1)
    w.ops((Op.STEP, -_ROUNDS), (Op.ZERO, "underflow"),
          (Op.LOAD, "ended"), (Op.SOME, "units"))


def _rounds(w: Writer) -> None:
    """After the last unit's turn."""
    others = [u for u in w.units.values() if u.opcode is not Opcode.WEIGHTS]
    w.ops((Op.LOAD, "ended"), (Op.ZERO, "round"), (Op.LOAD, f"{others[0].name}_count"),
          *((Op.ADD, f"{u.name}_count") for u in others[1:]), (Op.SOME, "round"),
          (Op.JUMP, "finish"))


def _run(w: Writer, unit: Unit, body: Callable[[Writer, Unit], None]) -> None:
    """A unit's turn: begin an instruction whose tokens are there, or go on with one."""
    name, after = unit.name, f"after_{unit.name}"
    if unit.opcode is Opcode.LOAD:
        w.label("units")
    w.ops((Op.LOAD, f"{name}_count"), (Op.ZERO, after))
    w.select(unit)
    w.name(unit)
    w.ops((Op.LOAD, f"{name}_resume"), (Op.ZERO, f"new_{name}"), (Op.PUT, Put.GOTO))
    w.label(f"new_{name}")
    for t in unit.waits:
        w.ops((Op.LOAD, f"token_{t.name}"), (Op.SUB, unit[f"wait_{t.name}"]),
              (Op.MINUS, after))
    for t in unit.waits:
        w.ops((Op.LOAD, f"token_{t.name}"), (Op.SUB, unit[f"wait_{t.name}"]),
              (Op.STORE, f"token_{t.name}"))
    body(w, unit)
    w.label(f"done_{name}")
    for t in unit.signals:
        w.ops((Op.LOAD, f"token_{t.name}"), (Op.ADD, unit[f"signal_{t.name}"]),
              (Op.STORE, f"token_{t.name}"), (Op.STEP, -256), (Op.ZERO, "overflow"))
    w.const(0, "stale", f"{name}_resume")
    w.spend(unit)
    w.log_marked(unit, f"unmarked_{name}")
    w.add(f"{name}_count", -1)
    w.advance(unit, "head", after)


def _count(w: Writer) -> None:
    """Routine: what has passed since it was called last, less what the array worked."""
    w.label("count")
    w.ops((Op.GET, Get.TOTAL), (Op.STORE, "now"), (Op.SUB, "last"), (Op.STORE, "spent"))
    w.copy("now", "last")
    w.ops((Op.GET, Get.FIRED), (Op.STORE, "now"), (Op.SUB, "fired"), (Op.STORE, "worked"))
    w.copy("now", "fired")
    w.add(f"count_{Cause.COMPUTE.name}", "worked")
    w.ops((Op.LOAD, "spent"), (Op.SUB, "worked"), (Op.STORE, "spent"))
    w.give_back("count")


def _mark(w: Writer) -> None:
    """Routine: log the counters as the end of `mark_layer`."""
    w.label("mark")
    w.ops((Op.LOAD, "log_at"), (Op.STEP, -16 * w.config.buffers.log_entries),
          (Op.ZERO, "log_full"))
    w.put("log_at", Put.LOG_ADDR)
    w.put("mark_layer", Put.LOG)
    w.put("last", Put.LOG)
    _log_counters(w)
    w.add("log_at", 16)
    w.label("log_full")
    w.put("mark_layer", Put.MARK)
    w.give_back("mark")


def _log_counters(w: Writer) -> None:
    for name in COUNTERS:
        w.put(f"count_{name}", Put.LOG)


def _end(w: Writer) -> None:
    w.label("overflow")
    w.error(ErrorCode.TOKEN_OVERFLOW)
    weights = w.units[Opcode.WEIGHTS]
    w.label("underflow")  # of what had its turn last
    w.error(ErrorCode.TOKEN_UNDERFLOW)
    w.label("trap")
    w.ops((Op.GET, Get.SPOILT), (Op.ZERO, "finish"))
    w.select(weights)
    w.name(weights)
    w.label("finish")
    # A trap may come while cycles are being counted: all that no cause has got is ACTS.
    others = [c for c in Cause if c is not Cause.ACTS]
    w.ops((Op.PUT, Put.STOP), (Op.GET, Get.FIRED), (Op.STORE, f"count_{Cause.COMPUTE.name}"),
          (Op.SET, FINAL_WORDS["TOTAL"]), (Op.PUT, Put.LOG_ADDR),
          (Op.GET, Get.TOTAL), (Op.PUT, Put.LOG),
          *((Op.SUB, f"count_{c.name}") for c in others),
          (Op.STORE, f"count_{Cause.ACTS.name}"))
    w.ops((Op.SET, FINAL_WORDS[COUNTERS[0]]), (Op.PUT, Put.LOG_ADDR))
    _log_counters(w)
    w.ops((Op.PUT, Put.READY))
