"""The README's tables and examples are those of the code."""

import json
import re
from pathlib import Path

import pytest

from sw import compare, tables

README = Path(__file__).parent.parent / "README.md"


def test_the_reference_tables_are_current():
    assert tables.main(["--check"]) == 0


def test_a_missing_marker_is_named():
    with pytest.raises(ValueError, match="no markers for table 'headline'"):
        tables.render("nothing here")


def test_the_example_of_ones_own_network_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    scope: dict = {}
    exec(blocks[0], scope)
    assert capsys.readouterr().out.split()[0] == str(scope["result"].cycles)
    assert scope["result"].outputs[-1].shape == (10, 1, 1)
    with pytest.raises(ValueError, match="layer 4: has 4 groups already"):
        exec(blocks[1], scope)


@pytest.mark.slow
def test_the_measured_tables_are_what_a_run_gives(capsys):
    measured = json.loads((tables.DATA / "measured-tinyvgg16.json").read_text())
    assert compare.main(["--json", "--quiet", "--no-toggles"]) == 0
    now = json.loads(capsys.readouterr().out)
    for old, new in zip(measured["arms"], now["arms"], strict=True):
        assert [x["cycles"] for x in old["layers"]] == [x["cycles"] for x in new["layers"]]
