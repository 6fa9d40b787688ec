"""Lets something go wrong while networks run, and looks at what becomes of them.

    python -m tests.faults_in_flight RECIPE...
    python -m tests.faults_in_flight MACHINE... --count 1000 --seed 1

A case is drawn from its recipe, MACHINE/NUMBER: how many instances run, whether one network is
on all of them or one on each, the memory's latency and stalls, and what goes wrong, and when. What
it must not harm is exact, what stops has the right code, layer and opcode, memory beside the
outputs is as it was, and the next run is exact and takes the cycles of the one before. The machines
are those of `MACHINES`.
"""

import argparse
import random
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from hw.config import Config
from hw.gateware.signatures.ports import READERS, Channel
from hw.isa import FORMATS, HEADER, INSN_BYTES, ErrorCode, Opcode, decode
from sim.faults import Place
from sim.verilated.memory import Disturbance
from tests.support.accelerators import CONFIGS
from tests.support.in_flight import Bed, Job, Memory, make_jobs
from tests.support.programs import MICROCODED

__all__ = ["MACHINES", "Case", "run_cases"]

MACHINES = {
    "shared": CONFIGS["4x6x9"], "private": CONFIGS["3x9x3"],
    "microcoded": MICROCODED}
_NETWORKS = 4  # of each kind: compiling takes longer than running
_STALLED_CYCLES, _WATCHDOG_CYCLES = 30_000, 700
_OPCODES = {Channel.WEIGHTS: Opcode.WEIGHTS, Channel.LOAD: Opcode.LOAD,
            Channel.STORE: Opcode.STORE}


@dataclass(frozen=True)
class Expected:
    """What an instance has when all is over: an error's code, layer and opcode; or NONE."""

    code: ErrorCode
    layer: int | None = None
    opcode: int | None = None


class Case:
    """A case, of its recipe.

    Members
    -------
    recipe : str
    what : str
        What goes wrong, in words.
    """

    def __init__(self, recipe: str):
        name, _, number = recipe.partition("/")
        if name not in MACHINES or not number.isdigit():
            raise ValueError(f"a recipe is {'|'.join(MACHINES)}/NUMBER, not {recipe!r}")
        self.recipe, self._config = recipe, MACHINES[name]
        self._draw = draw = random.Random(recipe)
        self._memory = Memory(draw.choice([5, 40, 90]), draw.choice([0, 0, 0.3, 0.8]),
                              draw.randrange(1 << 30))
        count = draw.randint(1, self._config.instances)
        apart = draw.random() < 0.5
        self._jobs = make_jobs(self._config, count, apart=apart, seed=draw.randrange(_NETWORKS))
        self._kind = draw.choice(sorted(_KINDS))
        self.what = f"{count} instances {'apart' if apart else 'together'}, {self._memory}, " \
            f"{self._kind}"

    def _say(self, what: str) -> None:
        self.what += f", {what}"

    def run(self) -> None:
        """Run the case; an AssertionError says what is wrong."""
        with Bed(self._config, self._jobs, self._memory) as bed:
            self._cycles = bed.run()
            _KINDS[self._kind](self, bed)
            again = bed.run()
            assert again == self._cycles, \
                f"the next run takes {again} cycles, the one before took {self._cycles}"

    # -- what goes wrong ---------------------------------------------------------------------
    def _disturb(self, bed: Bed, wrong: Disturbance) -> None:
        """Run on a memory that does this wrong; each of its errors stops who asked."""
        bed.start(wrong)
        bed.wait(2 * self._cycles + 200 * wrong.ack_delay + 2 * _STALLED_CYCLES)
        hits, place = bed.machine.backend.disturbed()
        stopped = {}
        if hits:
            stopped[place.instance] = _refused(place, self._config)
            for job in self._jobs:
                if place.instance in job.instances and place.channel is not Channel.STORE:
                    for i in job.instances:  # it may have been sent to several
                        if i != place.instance and bed.machine.read("ERROR") >> i & 1:
                            stopped[i] = Expected(ErrorCode.BUS_ERROR)
        self._check(bed, stopped)

    def _beats(self, bed: Bed, *channels: Channel) -> int:
        """How many beats have passed on some channels since the account began."""
        moved = bed.machine.backend.port_bytes(16)
        return sum(int(moved[:, c.value].sum()) for c in channels) // self._config.port.bytes

    def _read_error(self, bed: Bed) -> None:
        wrong = Disturbance(read_error=self._draw.randint(1, self._beats(bed, *READERS)),
                            ack_delay=self._late())
        self._say(str(wrong))
        self._disturb(bed, wrong)

    def _write_error(self, bed: Bed) -> None:
        wrong = Disturbance(write_error=self._draw.randint(1, self._beats(bed, Channel.STORE)),
                            ack_delay=self._late())
        self._say(str(wrong))
        self._disturb(bed, wrong)

    def _late(self) -> int:
        return self._draw.choice([0, 0, 10, 200])

    def _late_acknowledgements(self, bed: Bed) -> None:
        wrong = Disturbance(ack_delay=self._draw.choice([1, 10, 100, 700]),
                            stalled_ack=self._draw.randint(0, self._beats(bed, Channel.STORE)),
                            stall_cycles=self._draw.choice([100, 2000]))
        self._say(str(wrong))
        self._disturb(bed, wrong)

    def _watchdog(self, bed: Bed) -> None:
        """An acknowledgement does not come for long."""
        bed.machine.write("WATCHDOG", _WATCHDOG_CYCLES)
        wrong = Disturbance(stalled_ack=self._draw.randint(1, 3), stall_cycles=_STALLED_CYCLES)
        self._say(str(wrong))
        bed.start(wrong)
        bed.wait(2 * self._cycles + 2 * _STALLED_CYCLES)
        bed.machine.write("WATCHDOG", 0)
        errors = bed.machine.read("ERROR")
        assert errors, "nobody's watchdog has barked"
        self._check(bed, {i: Expected(ErrorCode.WATCHDOG) for i in range(32) if errors >> i & 1})

    def _stop(self, bed: Bed) -> None:
        """The host stops some, at a random moment, and while something is late."""
        at = self._draw.randint(0, self._cycles)
        beats = self._draw.choice([0, self._draw.randint(1, self._beats(bed, Channel.STORE))])
        mask = self._draw.randint(1, bed.mask)
        wrong = Disturbance(ack_delay=self._late(), stalled_ack=self._draw.randint(0, 3),
                            stall_cycles=self._draw.choice([0, 1000]))
        self._say(f"{f'amid write beat {beats}' if beats else f'after {at} cycles'}, "
                  f"mask 0b{mask:b}, {wrong}")
        bed.machine.backend.begin_account()
        bed.start(wrong)
        if beats:
            while self._beats(bed, Channel.STORE) < beats:
                bed.machine.backend.advance(1)
        else:
            bed.machine.backend.advance(at)
        ended = bed.mask & ~bed.machine.read("RUNNING")
        bed.machine.write("STOP", mask)
        bed.wait(2 * self._cycles + 200 * wrong.ack_delay + _STALLED_CYCLES)
        errors = bed.machine.read("ERROR")
        assert not errors & (ended | ~mask), "one has stopped that was not told to"
        self._check(bed, {i: Expected(ErrorCode.STOPPED) for i in range(32) if errors >> i & 1})

    def _bad_instruction(self, bed: Bed) -> None:
        """An instruction in the middle of a program is none, or may not be."""
        job = self._draw.choice(self._jobs)
        i = self._draw.choice(job.instances)
        start = job.program.programs[i - job.first]
        assert start is not None
        code = dict(job.program.segments)[start].tobytes()
        number = self._draw.randrange(len(code) // INSN_BYTES)
        at = job.base + start + number * INSN_BYTES
        good = code[number * INSN_BYTES:(number + 1) * INSN_BYTES]
        bad, expected = self._spoil(job, good)
        self._say(f"instance {i}, instruction {number} ({decode(good)[0].name}): "
                  f"{expected.code.name}")
        bed.machine.backend.write_memory(at, bad)
        bed.start(Disturbance(ack_delay=self._late()))
        bed.wait(2 * self._cycles + _STALLED_CYCLES)
        bed.machine.backend.write_memory(at, good)
        self._check(bed, {i: expected})

    def _spoil(self, job: Job, good: bytes) -> tuple[bytes, Expected]:
        """An instruction as it may not be, and what comes of it."""
        opcode, fields = decode(good)
        layer = fields["layer"]
        names = [f.name for f in FORMATS[opcode] if f.nonzero]
        kinds = ["opcode", *(["zero"] if names else []), *(["window"] if "ext_addr" in fields
                                                            else [])]
        kind = self._draw.choice(kinds)
        if kind == "opcode":
            number = self._draw.choice([0, 15])
            return _with(good, opcode, "opcode", number), Expected(
                ErrorCode.ILLEGAL_OPCODE, layer, number)
        if kind == "zero":
            return _with(good, opcode, self._draw.choice(names), 0), Expected(
                ErrorCode.BAD_FIELD, layer, opcode.value)
        beyond = -(-job.program.window_bytes // 64) * 64
        return _with(good, opcode, "ext_addr", beyond), Expected(
            ErrorCode.ADDRESS_WINDOW, layer, opcode.value)

    # -- what must be all the same -----------------------------------------------------------
    def _check(self, bed: Bed, stopped: dict[int, Expected]) -> None:
        """Who stopped did so with the right error; whoever shares nothing with them is exact."""
        machine = bed.machine
        mask = sum(1 << i for i in stopped)
        found = machine.read("ERROR"), machine.read("DONE")
        assert found == (mask, bed.mask & ~mask), \
            f"ERROR 0b{found[0]:b}, DONE 0b{found[1]:b}; 0b{mask:b} of 0b{bed.mask:b} should stop"
        for i, expected in stopped.items():
            code = ErrorCode(machine.read("ERROR_CODE", i))
            assert code == expected.code, f"instance {i} has {code.name}, not {expected.code.name}"
            for name, value in (("LAYER", expected.layer), ("OPCODE", expected.opcode)):
                got = machine.read(f"ERROR_{name}", i)
                assert value is None or got == value, \
                    f"ERROR_{name} of instance {i} is {got}, not {value} ({code.name})"
        for job in self._jobs:
            if not mask & sum(1 << i for i in job.instances):
                bed.check_outputs(job)
        bed.check_untouched()
        bed.check_counters()


def _refused(place: Place, config: Config) -> Expected:
    """What comes of an answer that is an error. Programs are fetched for no instruction, for which
    END stands; the microcoded core reads weights as a COMPUTE takes them, whose layer the bus tag
    has."""
    opcode = _OPCODES.get(place.channel)
    if opcode is None:
        return Expected(ErrorCode.BUS_ERROR, 0, Opcode.END.value)
    if opcode is Opcode.WEIGHTS and config.core != "pipelined":
        return Expected(ErrorCode.BUS_ERROR, opcode=opcode.value)
    return Expected(ErrorCode.BUS_ERROR, place.layer, opcode.value)


def _with(insn: bytes, opcode: Opcode, name: str, value: int) -> bytes:
    """An instruction with a field set, which `encode` would refuse."""
    word, low = int.from_bytes(insn, "little"), 0
    for field in (*HEADER, *FORMATS[opcode]):
        if field.name == name:
            mask = (1 << field.bits) - 1
            return (word & ~(mask << low) | (value & mask) << low).to_bytes(INSN_BYTES, "little")
        low += field.bits
    raise ValueError(name)


#: What goes wrong -> how it is done and what is right then.
_KINDS: dict[str, Callable[[Case, Bed], None]] = {
    "a read error": Case._read_error, "a write error": Case._write_error,
    "late acknowledgements": Case._late_acknowledgements, "the watchdog": Case._watchdog,
    "the host stops it": Case._stop, "a bad instruction": Case._bad_instruction}


def run_cases(recipes: list[str], say: Callable[[str], None] = lambda text: None,
              most: int | None = None) -> list[str]:
    """Run cases, until `most` have failed; return what failed, each with its recipe and what was
    drawn."""
    failures: list[str] = []
    for recipe in recipes:
        if len(failures) == most:
            break
        case = Case(recipe)
        try:
            case.run()
        except Exception as error:
            failures.append(f"{recipe} ({case.what}): {type(error).__name__}: {error}")
            say(traceback.format_exc())
        say(f"{recipe}: {case.what}")
    return failures


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults_in_flight",
                                     description=(__doc__ or "").split("\n")[0])
    parser.add_argument("cases", nargs="+", metavar="RECIPE or MACHINE",
                        help=f"MACHINE/NUMBER, or {', '.join(MACHINES)}")
    parser.add_argument("--count", type=int, default=100, help="of cases on each MACHINE")
    parser.add_argument("--seed", type=int, default=1, help="the first case's number")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code: 1 if a case failed."""
    options = parser().parse_args(arguments)
    recipes = [recipe for x in options.cases for recipe in (
        [x] if "/" in x else [f"{x}/{options.seed + k}" for k in range(options.count)])]
    failures = run_cases(recipes, print if len(recipes) < 20 else lambda text: None)
    print(*failures, f"{len(recipes)} cases, {len(failures)} failed", sep="\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
