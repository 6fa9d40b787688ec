"""Draws from all configurations that are legal."""

import random

from hw.config import ArrayConfig, BufferConfig, Config, PortConfig

__all__ = ["draw_config"]


def _powers(low: int, high: int) -> list[int]:
    return [1 << k for k in range(low.bit_length() - 1, high.bit_length())]


def _draw(rng: random.Random) -> Config:
    core = rng.choice(["pipelined"] * 7 + ["microcoded"])
    small = core == "microcoded"
    sides = [1, 2, 4] if small else list(range(1, 33))
    rows = rng.choice(sides)
    zero_skip = not small and rng.random() < 0.4
    cols = rows if zero_skip else rng.choice(sides)
    lanes = [n for n in range(1, 33) if rows % n == 0 and cols % n == 0]
    return Config(
        instances=1 if small else rng.choice([1, 2, 3, 32, rng.randint(1, 32)]), core=core,
        array=ArrayConfig(rows=rows, cols=cols, post_lanes=rng.choice([0, *lanes]),
                          zero_skip=zero_skip, tables=not small and rng.random() < 0.4),
        buffers=BufferConfig(
            act_words=rng.choice(_powers(64, 1 << 20)), acc_depth=rng.choice(_powers(16, 1024)),
            weight_fifo_beats=rng.choice(_powers(16, 4096)),
            queue_depth=rng.randint(1, 4 if small else 64),
            log_entries=rng.choice(_powers(4, 32 if small else 1024))),
        port=PortConfig(memory=rng.choice(["shared", "private"]),
                        bytes=4 if small else rng.choice(_powers(4, 64)),
                        burst_beats=rng.choice(_powers(2, 64)),
                        address_bits=rng.randint(16, 25 if small else 32)))


def draw_config(seed: int) -> Config:
    """The first legal configuration of a seed's draws."""
    rng = random.Random(seed)
    while True:
        try:
            return _draw(rng)
        except ValueError:
            continue
