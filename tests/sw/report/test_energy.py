"""Energies are shown in a unit in which the least of them has digits."""

import pytest

from sw.report.energy import energy_unit


@pytest.mark.parametrize(("pj", "name", "text"), [
    ([42_789e6, 12_859e6], "uJ", "12,859.0"), ([3e6, None, 41_230.0], "nJ", "41.2"),
    ([17.25, 3e6], "pJ", "3,000,000.0"), ([0.0, 2e6], "uJ", "2.0"), ([None], "uJ", "-")])
def test_the_least_has_digits(pj, name, text):
    unit = energy_unit(pj)
    assert (unit.name, unit.text(pj[-1])) == (name, text)
