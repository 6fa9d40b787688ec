"""Numbers that C would wrap are refused by name, before anything is built."""

import math
from typing import Any

import numpy as np
import pytest

from hw.config import PRESETS
from sim import backend
from sim.backend import VerilatorBackend
from sim.settings import LIMITS

TINY = PRESETS["tiny"]


@pytest.mark.parametrize("name", ["memory_bytes", "latency_cycles", "page_miss_cycles",
                                  "page_bytes", "banks", "seed", "threads"])
def test_a_setting_beyond_its_limits_is_refused(name, monkeypatch):
    monkeypatch.setattr(backend, "build", lambda *a, **o: pytest.fail("began to build"))
    low, high = LIMITS[name]
    for value in (low - 1, high + 1, 1 << 64, -1 << 40, 1.5, math.nan, math.inf, True, "4", None):
        with pytest.raises(ValueError, match=rf"{name} is .*; it must be a whole number from"):
            settings: dict[str, Any] = {"memory_bytes": 4096, name: value}
            VerilatorBackend(TINY, **settings)


@pytest.mark.parametrize("value", [-0.1, 0.91, math.nan, math.inf, "0.5", None])
def test_a_probability_of_stalling_is_one(value):
    with pytest.raises(ValueError, match=r"stall_probability is .*; it must be from 0 to 0.9"):
        VerilatorBackend(TINY, memory_bytes=4096, stall_probability=value)


def test_numbers_of_numpy_are_numbers(monkeypatch):
    class Reached(Exception):
        pass

    def built(*arguments, **options):
        raise Reached

    monkeypatch.setattr(backend, "build", built)
    with pytest.raises(Reached):
        settings: dict[str, Any] = {"memory_bytes": np.int64(4096), "latency_cycles": np.uint8(40),
                                    "stall_probability": np.float32(0.5)}
        VerilatorBackend(TINY, **settings)
