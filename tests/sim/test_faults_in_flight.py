"""What goes wrong while networks run, whenever it does, stops those whom it concerns, no other."""

import os

import pytest

from tests.faults_in_flight import MACHINES, Case, run_cases
from tests.faults_in_flight import main as command

pytestmark = pytest.mark.builds


def check(machine: str, count: int) -> None:
    """Run new cases; the first that fail are shown with the recipes that repeat them, and end it:
    they may take long."""
    first = int.from_bytes(os.urandom(4))
    failures = run_cases([f"{machine}/{first + k}" for k in range(count)], most=3)
    assert not failures, f"{len(failures)} of {count} or fewer failed; repeat them by python -m " \
        "tests.faults_in_flight RECIPE:\n" + "\n".join(failures)


#: Cases of 300; one of the microcoded core takes four times as long as another.
CASES = {"shared": 140, "private": 110, "microcoded": 50}


@pytest.mark.parametrize("machine", MACHINES)
def test_it_concerns_nobody_else_and_nothing_is_left_of_it(machine):
    check(machine, CASES[machine])


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_thousands_of_times(machine):
    check(machine, CASES[machine] * 34)


def test_a_recipe_is_a_case():
    one, again, other = (Case(f"shared/{k}") for k in (5, 5, 6))
    assert one.what == again.what != other.what
    for recipe in ("shared", "nothing/1", "shared/x", "shared/-1"):
        with pytest.raises(ValueError, match=r"a recipe is shared\|private\|microcoded/NUMBER"):
            Case(recipe)


def test_a_failure_is_shown_with_its_recipe(monkeypatch, capsys):
    def fail(self):
        assert not "wrong", "as it must"

    monkeypatch.setattr(Case, "run", fail)
    assert command(["shared/7"]) == 1
    told = capsys.readouterr().out
    assert "shared/7 (" in told and "AssertionError: as it must" in told
    assert told.endswith("1 cases, 1 failed\n")
