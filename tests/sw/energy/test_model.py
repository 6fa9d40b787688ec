"""Energy is counts times coefficients, and its intervals follow the coefficients' errors."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from sim.activity.values import BlockActivity, MemoryActivity, UnitActivity
from sw.energy.coefficients import GATINGS, TABLE, Coefficient, EnergyError, columns, macros
from sw.energy.model import (
    CATEGORIES,
    CORE,
    EnergyModel,
    Features,
    features,
    memory_sizes,
    ratio,
    total,
    unit_features,
)

MODEL = EnergyModel()
UNIT = UnitActivity(
    800, (BlockActivity("accumulator", 40, 900, 0), BlockActivity("array", 100, 5_000, 40_000),
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
    value = MODEL.values()
    energy = found.energy(value)
    size, flat = 64 * math.sqrt(64 * 1024 / 65536), 64 * math.sqrt(2 * 1024 * 8 / 65536)
    assert energy["clock"] == pytest.approx(2 * 63_000 * value["clock"])
    assert energy["logic"] == pytest.approx(
        2 * (5_100 * value["toggle"] + 900 * value["accumulator"] + 2_000 * value["multiplier"]))
    assert energy["memories"] == pytest.approx(
        2 * (size * 500 * value["memory_access"] + flat * 1500 * value["memory_idle"]))
    assert energy["fabric"] == pytest.approx(31_000 * value["clock"] + 700 * value["toggle"])
    assert energy["external"] == pytest.approx(
        8 * 4096 * value["external_lpddr4"] + 3 * value["activate"])
    microseconds = 1000 / 100
    assert energy["standby"] == pytest.approx(microseconds * value["background_lpddr4"])
    assert energy["static"] == pytest.approx(microseconds * (
        (2 * 160 + 50) * value["static_logic"] + 2 * 2 * 65536 * value["static_memory"]))
    assert sum(energy.values()) == pytest.approx(total(energy, CATEGORIES))


def test_what_has_no_gate_is_clocked_in_every_cycle():
    """An instance that was awake in 800 of 1,000 cycles, its memories of 64 bits twice."""
    found = features([UNIT], SHELL, cycles=1000, port_bytes=0, page_misses=0, model=MODEL)
    energy = {g: found.energy(EnergyModel(gating=g).values()) for g in GATINGS}
    value = MODEL.values()
    size, flat = 64 * math.sqrt(64 * 1024 / 65536), 64 * math.sqrt(2 * 1024 * 8 / 65536)
    assert energy["none"]["clock"] == pytest.approx(160 * 1000 * value["clock"])
    assert energy["none"]["fabric"] == pytest.approx(
        50 * 1000 * value["clock"] + 700 * value["toggle"])
    accesses = size * 500 * value["memory_access"]
    assert energy["none"]["memories"] == pytest.approx(
        accesses + flat * (1500 + 2 * 200) * value["memory_idle"])
    assert energy["registers"]["memories"] == pytest.approx(
        accesses + flat * 1500 * value["memory_idle"])
    assert energy["memories"]["memories"] == pytest.approx(accesses)
    assert energy["memories"]["clock"] == energy["registers"]["clock"] \
        == pytest.approx(63_000 * value["clock"])


def test_standby_of_external_memory_can_be_left_out():
    found = features([UNIT], SHELL, cycles=1000, port_bytes=64, page_misses=0, model=MODEL)
    without = found.energy(EnergyModel(background=False).values())
    assert without["standby"] == 0 < found.energy(MODEL.values())["standby"]
    assert without["external"] == found.energy(MODEL.values())["external"]


@pytest.mark.parametrize("macro", macros(), ids=lambda m: m.name)
def test_memories_are_priced_near_published_macros(macro):
    """Within half for words of 32 bits; narrower words cost more than the model says."""
    value = MODEL.values()
    access, idle = memory_sizes(macro.bits, macro.depth)
    read = value["memory_access"] * access
    if macro.bits == 32:
        assert 0.5 < read / macro.read_pj < 1.5
    assert 0.5 < value["memory_idle"] * idle / read / (macro.idle_mw / macro.read_mw) < 1.5


def test_features_add_up():
    one = unit_features(UNIT, 1000, MODEL)
    twice = one + one
    values = MODEL.values()
    assert twice.energy(values) == pytest.approx(
        {k: 2 * v for k, v in one.energy(values).items()})


def test_a_ratio_lies_in_its_interval_and_errors_widen_it(monkeypatch):
    base = Features({"clock/clock": 1000.0, "memories/memory_access": 10.0,
                     "external/external": 500.0})
    best = Features({"clock/clock": 400.0, "memories/memory_access": 1.0,
                     "external/external": 60.0})
    found = ratio(base, best, MODEL)
    assert found.low < found.value < found.high

    def with_errors(error: float) -> EnergyModel:
        column = columns()["sky130"]
        monkeypatch.setitem(columns(), "test", replace(column, coefficients={
            k: replace(c, error=error) for k, c in column.coefficients.items()}))
        return EnergyModel("test")

    same = ratio(base, best, with_errors(0.0))
    assert same.high - same.low < 1e-9
    much = ratio(base, best, with_errors(1.0))
    assert much.high - much.low > found.high - found.low
    # without external memory it must not count
    core = ratio(base, best, MODEL, CORE)
    assert core.value != pytest.approx(found.value)


def test_a_ratio_of_equal_mixes_is_certain():
    one = Features({"clock/clock": 100.0, "logic/toggle": 7.0})
    many = Features({"clock/clock": 300.0, "logic/toggle": 21.0})
    found = ratio(many, one, MODEL)
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
    ({"gating": "all"}, "gating 'all' is unknown; there are registers, memories, none"),
    ({"clock_mhz": 0.0}, "clock is 0.0 MHz")])
def test_a_model_that_does_not_exist_is_refused(fields, message):
    with pytest.raises(EnergyError, match=message):
        EnergyModel(**fields)


def test_features_are_summed_in_an_order_that_no_run_changes():
    first, second = ([f"logic/{n}" for n in names] for names in ("qwertyu", "zxweasd"))
    found = Features(dict.fromkeys(first, 1)) + Features(dict.fromkeys(second, 2))
    assert list(found.counts) == [f"logic/{n}" for n in "qwertyuzxasd"]
    assert found.counts["logic/w"] == 3 and found.counts["logic/z"] == 2
