"""The table of mutants is of this tree: their lines and their tests are there."""

import ast
from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.run import judge, run_mutants
from tests.mutants.table import MUTANTS

ROOT = Path(__file__).parent.parent


def test_every_mutant_has_a_name_and_a_line_of_its_own():
    assert len(MUTANTS) >= 40
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        assert mutant.file.startswith(("hw/gateware/", "boards/gateware/")), mutant.name
        assert (ROOT / mutant.file).read_text().count(mutant.old) == 1, mutant
        assert "\n" not in mutant.old + mutant.new and mutant.old != mutant.new, mutant


def test_every_mutant_has_a_test():
    for mutant in MUTANTS:
        file, _, name = mutant.test.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert not name or name.partition("[")[0] in tests, mutant


def test_a_mutant_is_killed_and_its_line_put_back():
    one = next(mutant for mutant in MUTANTS if mutant.file.endswith("tokens.py"))
    told: list = []
    verdict, = run_mutants([one], 1, 1, told.append)
    assert (verdict.what, told) == ("killed", [verdict])


@pytest.mark.parametrize(("code", "inside", "what"), [
    (0, "", "alive"),
    (0, "<skipped message='no compiler'/>", "broken"),
    (1, "<failure message='assert 1 == 2'/>", "killed"),
    (1, "<failure message='AssertionError: stays 0&#10;assert 0'/>", "killed"),
    (1, "<failure message='sim.faults.BusBreach: cycle 7'/>", "killed"),
    (1, "<failure message='Failed: DID NOT RAISE'/>", "killed"),
    (1, "<failure message='NameError: name x is not defined'/>", "broken"),
    (1, "<error message='AssertionError: while it was set up'/>", "broken"),
])
def test_what_a_tests_results_say_of_a_mutant(tmp_path, code, inside, what):
    """A hardware's fault fails in an assertion or in a simulation, not in Python or Amaranth."""
    results = tmp_path / "results.xml"
    results.write_text(f"<testsuite><testcase>{inside}</testcase></testsuite>")
    assert judge(code, results)[0] == what


def test_a_test_that_is_not_there_kills_nothing(tmp_path):
    assert judge(4, tmp_path / "none")[0] == "broken"


def test_a_line_that_is_not_there_once_is_refused():
    for old in ("self.", "no such text"):
        with pytest.raises(ValueError, match="mend the table"):
            Mutant("x", "hw/gateware/control/tokens.py", old, "y", "z").put_in(ROOT)
