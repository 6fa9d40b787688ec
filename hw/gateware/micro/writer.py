"""What the microprogram is written with: units, their slots, and steps that come often."""

from hw.config import Config
from hw.isa import FORMATS, UNITS, Cause, ErrorCode, Opcode, tokens_of, used_bits

from .machine import VARIABLE_SLOTS, Assembler, Op, Put, Slot

__all__ = ["PARAM_SLOTS", "Unit", "Writer", "slots"]

#: What the cycles of a unit count for, but for those in which the array multiplies.
_CAUSES = {Opcode.LOAD: Cause.ACTS, Opcode.STORE: Cause.DRAIN, Opcode.COMPUTE: Cause.WEIGHTS,
           Opcode.POST: Cause.DRAIN}
#: Slots of two banks' requantisation parameters, after those of the variables.
PARAM_SLOTS = VARIABLE_SLOTS, VARIABLE_SLOTS + 1
#: Slots before those of the units.
_SLOTS_BEFORE = PARAM_SLOTS[-1] + 1


def slots(config: Config) -> int:
    """Slots of the register file: an instruction under way and those that wait, for each unit."""
    return _SLOTS_BEFORE + len(UNITS) * (config.buffers.queue_depth + 1)


Operand = str | Slot


class Unit:
    """Where a unit's instructions lie: its ring of slots, and their words by name."""

    def __init__(self, config: Config, name: str, opcode: Opcode):
        self.name, self.opcode = name, opcode
        self.depth = config.buffers.queue_depth + 1
        self.first = _SLOTS_BEFORE + list(UNITS).index(name) * self.depth
        self.waits, self.signals = (tokens_of(opcode, side) for side in ("wait", "signal"))
        names = ["mark", "layer", *(f"wait_{t.name}" for t in self.waits),
                 *(f"signal_{t.name}" for t in self.signals),
                 *(f.name for f in FORMATS[opcode] if used_bits(config, opcode, f))]
        self._at = {name: k for k, name in enumerate(names)}

    def __getitem__(self, name: str) -> Slot:
        return Slot(self._at[name])

    def __contains__(self, name: str) -> bool:
        return name in self._at


class Writer:
    """An assembler, and steps of several micro-instructions.

    Operands are as in `Assembler.emit`: a text is a variable, or a label to go to.
    """

    def __init__(self, config: Config):
        self.config = config
        self.assembler = Assembler()
        self.units = {op: Unit(config, name, op) for name, op in UNITS.items()}
        self.calls = 0  # so far, to name their labels

    def label(self, name: str) -> None:
        self.assembler.label(name)

    def ops(self, *steps: tuple[Op, int | str | Slot]) -> None:
        """Operations and their operands."""
        for op, operand in steps:
            self.assembler.emit(op, operand)

    def put(self, value: Operand, put: Put) -> None:
        """Give a word to the rest of the core."""
        self.ops((Op.LOAD, value), (Op.PUT, put))

    def copy(self, source: Operand, *targets: Operand) -> None:
        """Write a word to others."""
        self.ops((Op.LOAD, source), *((Op.STORE, t) for t in targets))

    def const(self, value: int | str, *targets: Operand) -> None:
        """Write a number, or a label's address, to words."""
        self.ops((Op.SET, value), *((Op.STORE, t) for t in targets))

    def add(self, target: str, amount: int | Operand) -> None:
        """Add a number or a word to a variable."""
        self.ops((Op.LOAD, target),
                 (Op.STEP, amount) if isinstance(amount, int) else (Op.ADD, amount),
                 (Op.STORE, target))

    def loop(self, count: str, start: str) -> None:
        """One round less to go: back to the start unless that was the last."""
        self.add(count, -1)
        self.ops((Op.SOME, start))

    def call(self, routine: str) -> None:
        """Go to a routine, which comes back."""
        self.calls += 1
        back = f"back_{self.calls}"
        self.const(back, f"{routine}_back")
        self.ops((Op.JUMP, routine))
        self.label(back)

    def give_back(self, routine: str) -> None:
        """The end of a routine."""
        self.put(f"{routine}_back", Put.GOTO)

    def negate(self, value: Operand, target: str) -> None:
        """Write a word's negative to a variable."""
        self.ops((Op.SET, 0), (Op.SUB, value), (Op.STORE, target))

    def error(self, code: ErrorCode) -> None:
        """Stop with an error."""
        self.ops((Op.SET, code.value), (Op.PUT, Put.ERROR))

    def select(self, unit: Unit) -> None:
        """Select the slot of a unit's oldest instruction."""
        self.put(f"{unit.name}_head", Put.SLOT)

    def name(self, unit: Unit) -> None:
        """Let errors name the selected instruction."""
        self.ops((Op.SET, unit.opcode.value), (Op.PUT, Put.OPCODE))
        self.put(unit["layer"], Put.LAYER)

    def advance(self, unit: Unit, end: str, label: str) -> None:
        """Go on to the next slot of a unit's ring, at its `head` or `tail`; ends at a label."""
        self.add(f"{unit.name}_{end}", 1)
        self.ops((Op.STEP, -(unit.first + unit.depth)), (Op.SOME, label))
        self.const(unit.first, f"{unit.name}_{end}")
        self.label(label)

    def log_marked(self, unit: Unit, label: str, amid: Unit | None = None) -> None:
        """Log the selected instruction, if it has a mark; ends at a label. What it comes amid of
        is waited for, and counted."""
        self.ops((Op.LOAD, unit["mark"]), (Op.ZERO, label))
        if amid:
            self.ops((Op.PUT, Put.SYNC))
        self.copy(unit["layer"], "mark_layer")
        if amid:
            self.spend(amid)
        self.call("mark")
        self.label(label)

    def spend(self, unit: Unit) -> None:
        """Count what has passed for a unit."""
        self.call("count")
        self.add(f"count_{_CAUSES[unit.opcode].name}", "spent")

    def wait(self, unit: Unit, where: str) -> None:
        """Let the others have their turns; go on at a label."""
        self.const(where, f"{unit.name}_resume")
        self.spend(unit)
        self.ops((Op.JUMP, f"after_{unit.name}"))

    def toggle(self, variable: str, one: int, other: int) -> None:
        """Of two values, make a variable the one that it is not."""
        self.ops((Op.SET, one + other), (Op.SUB, variable), (Op.STORE, variable))
