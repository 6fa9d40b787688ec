"""What the energy model was fitted to, and how its errors are told."""

from dataclasses import replace

import numpy as np
import pytest

from sw.data import stored
from sw.energy.fit import FEATURES, Sample, column, logic_errors, validate
from sw.experiment.calibration import verilog_digests

SAMPLES = [Sample(**s) for s in stored("calibration.json")["samples"]]


@pytest.mark.slow  # whoever changes the gateware may fit again later: make calibration
def test_the_calibration_is_of_today_s_verilog():
    arrays = [tuple(map(int, name.split("x"))) for name in dict.fromkeys(
        s.array for s in SAMPLES)]
    assert stored("calibration.json")["verilog"] == verilog_digests(
        (rows, cols) for rows, cols in arrays), "make calibration LIBERTY=FILE"


def test_errors_are_told_without_the_clock_pins_too():
    """Which take most of the energy, and are the easier to predict."""
    whole, logic = validate(SAMPLES)["array"], logic_errors(SAMPLES)
    moved = [k for k, error in enumerate(logic) if error is not None]
    still = [s.stimulus for k, s in enumerate(SAMPLES) if k not in moved]
    assert still == ["idle"] * len({s.array for s in SAMPLES})
    assert np.mean([abs(logic[k] or 0) for k in moved]) > np.mean([abs(whole[k]) for k in moved])


def test_a_coefficient_s_error_is_from_leaving_out_whole_arrays():
    """More windows of the same arrays make no coefficient surer."""
    once, thrice = (column(samples, "cells") for samples in (SAMPLES, SAMPLES * 3))
    for name in FEATURES:
        assert once[name]["error"] == thrice[name]["error"]


def test_arrays_that_agree_leave_no_error_to_the_coefficients():
    """Each array's samples priced by the same coefficients."""
    price = (0.04, 0.14, 0.006, 0.3)

    def priced(s: Sample) -> Sample:
        logic = float(np.dot(price[1:], s.counts[1:]))
        return replace(s, clock_pj=price[0] * s.clock, gates_pj=price[0] * s.clock + logic)

    found = column([priced(s) for s in SAMPLES], "cells")
    for name, value in zip(FEATURES, price, strict=True):
        assert found[name]["value"] == pytest.approx(value, rel=1e-3)
        assert found[name]["error"] < 1e-3
