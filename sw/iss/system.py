"""Instruction-level simulator: what a program means, unit by unit, without cycles.

Each instance's units are coroutines that a seeded scheduler steps in random order and with
random, changing speeds, a part of an instruction at a time. A program that lacks a token
computes something else, or reads what was never written, under some schedule.
"""

import random
from collections.abc import Mapping

import numpy as np

from hw.config import Config
from hw.isa import ErrorCode
from sw.compiler import Program

from .instance import Instance
from .result import Hazard, IssResult, Stopped

__all__ = ["Hazard", "Stopped", "run_program", "simulate"]

_RESPEED_STEPS = 400  # steps between draws of the units' speeds


def run_program(program: Program, image: np.ndarray, seed: int = 0, active: int | None = None,
                ) -> tuple[list[np.ndarray | None], IssResult]:
    """Run a compiled network, all of it or only its first `active` partitions.

    Returns
    -------
    list of int8[C, H, W], or int8[batch, C, H, W] of a program for a batch, or None
        Each layer's output, None where the program does not keep it.
    IssResult

    Raises
    ------
    Hazard
        If the program is not well synchronised under this seed's schedule.
    Stopped
        If an instance stopped with an error.
    """
    memory = np.zeros(program.window_bytes, np.uint8)
    valid = np.zeros(program.window_bytes, bool)
    pieces = [*program.segments, (program.input.offset, program.pack_input(image))]
    mask = program.start_mask
    if active is not None:
        mask = program.active_mask(active)
        pieces += [(at, np.zeros(size, np.uint8)) for at, size in program.dropped_regions(active)]
    for offset, data in pieces:
        memory[offset:offset + len(data)] = data
        valid[offset:offset + len(data)] = True
    starts = {i: at for i, at in enumerate(program.programs)
              if at is not None and mask >> i & 1}
    result = simulate(program.config, memory, valid, starts, seed)
    for error in result.errors.values():
        raise error
    outputs: list[np.ndarray | None] = []
    for layer in range(len(program.layers)):
        stored = program.stored(layer)
        outputs.append(None if stored is None else program.unpack_output(
            layer, result.memory[stored[0]:sum(stored)]))
    return outputs, result


def simulate(config: Config, memory: np.ndarray, valid: np.ndarray, starts: Mapping[int, int],
             seed: int = 0) -> IssResult:
    """Run programs until all instances have ended.

    Parameters
    ----------
    config : Config
    memory : uint8[bytes]
        The window of all instances; changed in place.
    valid : bool[bytes]
        Which bytes have been written; the others must not be used.
    starts : byte offset of the program of each instance that is started
    seed : int
        Draws the schedule.

    Raises
    ------
    Hazard
    """
    result = IssResult(memory)
    machine = {i: Instance(config, memory, valid, i, at, result) for i, at in starts.items()}
    for one in machine.values():
        one.others = machine
        result.marks[one.number] = one.marks
    rng = random.Random(seed)
    while True:
        actors = [(one, steps) for one in machine.values() if one.alive
                  for steps in one.coroutines.values()]
        if not actors:
            return result
        weights = [2.0 ** rng.uniform(-5, 5) for _ in actors]
        moved = False
        for one, steps in rng.choices(actors, weights, k=_RESPEED_STEPS):
            moved |= one.step(steps)
        if not moved and not any(one.step(steps) for one, steps in actors):
            stuck = [o for o in machine.values() if o.alive and not o.meeting]
            if not stuck:
                raise Hazard("every instance waits for another: "
                             + ", ".join(f"{o.number}: {o.meeting}" for o in machine.values()))
            for one in stuck:
                one.stop(Stopped(ErrorCode.TOKEN_UNDERFLOW, one.waiting_insn()))
