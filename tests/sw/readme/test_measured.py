"""Tables of what was measured are priced by today's coefficients, and say what they are of."""

import json
from dataclasses import replace

import pytest

from sw import measure
from sw.data import DATA, stored
from sw.energy.coefficients import columns
from sw.energy.model import CATEGORIES, EnergyModel
from sw.readme.tables import TABLES

#: What is measured with activity -> the tables that show it.
SHOWN = {"headline": ("headline", "energy", "scenarios"), "zeros": ("zeros",),
         "small": ("small",), "spread": ("spread",), "clocks": ("clocks",)}


def arms(name: str) -> list[dict]:
    found = stored(measure.MEASUREMENTS[name])
    return [arm for run in (found if isinstance(found, list) else [found]) for arm in run["arms"]]


def test_all_that_has_activity_is_among_them():
    assert {n for n, file in measure.MEASUREMENTS.items()
            if '"activity"' in (DATA / file).read_text()} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_energy_in_the_tables_is_activity_by_today_s_coefficients(name, monkeypatch):
    """What is dearer in the table of coefficients is dearer in each table that shows energy."""
    kinds = {f"{c}/{k}" for c in CATEGORIES for k in EnergyModel().values()}
    for layer in (x for arm in arms(name) for x in arm["layers"]):
        assert layer["activity"] and layer["activity"].keys() <= kinds
    before = {table: TABLES[table]() for table in SHOWN[name]}
    for technology, column in [*columns().items()]:
        price = column.coefficients["memory_access"]
        monkeypatch.setitem(columns(), technology, replace(column, coefficients={
            **column.coefficients, "memory_access": replace(price, value=4 * price.value)}))
    for table, text in before.items():
        assert TABLES[table]() != text, table


def test_what_an_image_takes_adds_up_to_what_all_take():
    for arm in arms("spread"):
        for layer in arm["layers"]:
            assert len(layer["image_pj"]) == measure.IMAGES
    runs = json.loads((DATA / measure.MEASUREMENTS["spread"]).read_text())
    assert [run["seed"] for run in runs] == list(measure.SEEDS)
