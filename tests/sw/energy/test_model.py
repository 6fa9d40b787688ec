"""Energy is counts times coefficients, and its intervals follow the coefficients' errors."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from sim.activity.values import BlockActivity, MemoryActivity, UnitActivity
from sw.energy.coefficients import TABLE, Coefficient, EnergyError, columns
from sw.energy.model import (
    CATEGORIES,
    CORE,
    EnergyModel,
    Features,
    features,
    ratio,
    total,
    unit_features,
)

MODEL = EnergyModel()
UNIT = UnitActivity(
    1000, (BlockActivity("accumulator", 40, 900, 0), BlockActivity("array", 100, 5_000, 40_000),
           BlockActivity("control", 20, 100, 20_000)),
    (MemoryActivity("acts", 64, 1024, 2, 300.0, 200.0, 1500.0),), 3_000, 2_000)
SHELL = UnitActivity(1000, (BlockActivity("fabric", 50, 700, 30_000),), (), 1_000, 0)


def test_every_coefficient_has_unit_error_and_source():
    data = json.loads(TABLE.read_text())
    assert {"sky130", "45nm"} <= set(columns())
    names = {frozenset(c.coefficients) for c in columns().values()}
    assert len(names) == 1, "columns have the same coefficients, so that they can be exchanged"
    for column in columns().values():
        for name, c in column.coefficients.items():
            assert c.value >= 0 and 0 <= c.error <= 1 and c.unit and c.source, name
    assert data["version"] == 1
    assert columns()["sky130"].calibrated and not columns()["45nm"].calibrated
    assert not columns()["fpga"].calibrated and "uncalibrated" in columns()["fpga"].label


def test_a_layer_is_priced_by_hand():
    found = features([UNIT, UNIT], SHELL, cycles=1000, port_bytes=4096, page_misses=3, model=MODEL)
    value = MODEL.coefficients.values()
    energy = found.energy(value)
    size = 64 * math.sqrt(64 * 1024 / 65536)
    assert energy["clock"] == pytest.approx(2 * 63_000 * value["clock"])
    assert energy["logic"] == pytest.approx(
        2 * (5_100 * value["toggle"] + 900 * value["accumulator"] + 2_000 * value["multiplier"]))
    assert energy["memories"] == pytest.approx(
        2 * size * (500 * value["memory_access"] + 1500 * value["memory_idle"]))
    assert energy["fabric"] == pytest.approx(31_000 * value["clock"] + 700 * value["toggle"])
    assert energy["external"] == pytest.approx(
        8 * 4096 * value["external_lpddr4"] + 3 * value["activate"])
    microseconds = 1000 / 100
    assert energy["static"] == pytest.approx(microseconds * (
        (2 * 160 + 50) * value["static_logic"] + 2 * 2 * 65536 * value["static_memory"]))
    assert sum(energy.values()) == pytest.approx(total(energy, CATEGORIES))


def test_features_add_up():
    one = unit_features(UNIT, 1000, MODEL)
    twice = one + one
    values = MODEL.coefficients.values()
    assert twice.energy(values) == pytest.approx(
        {k: 2 * v for k, v in one.energy(values).items()})


def test_a_ratio_lies_in_its_interval_and_errors_widen_it():
    base = Features({"clock/clock": 1000.0, "memories/memory_access": 10.0,
                     "external/external_lpddr4": 500.0})
    best = Features({"clock/clock": 400.0, "memories/memory_access": 1.0,
                     "external/external_lpddr4": 60.0})
    column = MODEL.coefficients
    found = ratio(base, best, column)
    assert found.low < found.value < found.high
    exact = replace(column, coefficients={k: replace(c, error=0.0)
                                          for k, c in column.coefficients.items()})
    same = ratio(base, best, exact)
    assert same.high - same.low < 1e-9
    wide = replace(column, coefficients={k: replace(c, error=1.0)
                                         for k, c in column.coefficients.items()})
    much = ratio(base, best, wide)
    assert much.high - much.low > found.high - found.low
    # without external memory it must not count
    core = ratio(base, best, column, CORE)
    assert core.value != pytest.approx(found.value)


def test_a_ratio_of_equal_mixes_is_certain():
    one = Features({"clock/clock": 100.0, "logic/toggle": 7.0})
    many = Features({"clock/clock": 300.0, "logic/toggle": 21.0})
    found = ratio(many, one, MODEL.coefficients)
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 3.0, 3.0))


def test_glitches_raise_the_upper_bound_of_logic_only():
    column = MODEL.coefficients
    none = replace(column, coefficients={
        **column.coefficients, "glitch": Coefficient(0.0, "share", 0.0, "test")})
    rng = np.random.default_rng(1)
    assert np.all(none.values()["toggle"] <= column.values()["toggle"])
    assert none.values()["clock"] == column.values()["clock"]
    assert column.sample(rng, 100)["toggle"].mean() > none.sample(rng, 100)["toggle"].mean()


@pytest.mark.parametrize(("fields", "message"), [
    ({"column": "7nm"}, "column '7nm' is unknown; there are sky130"),
    ({"external": "hbm"}, "memory 'hbm' is unknown; there are"),
    ({"clock_mhz": 0.0}, "clock is 0.0 MHz")])
def test_a_model_that_does_not_exist_is_refused(fields, message):
    with pytest.raises(EnergyError, match=message):
        EnergyModel(**fields)
