"""The README's tables and examples are those of the code."""

import json
import re
from pathlib import Path

import pytest

from sw import ablation, compare, measure, tables

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


def test_measuring_again_writes_what_the_tables_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "DATA", tmp_path)
    parsers = {"sw.compare": compare.parser(), "sw.ablation": ablation.parser()}

    def canned(command):
        parsers[command[0]].parse_args(command[1:])  # the command exists
        asked.append(command)
        old = {"zeros": "--zero-skip" in command, "ablation": command[0] == "sw.ablation"}
        name = next((n for n, is_it in old.items() if is_it), "headline")
        return json.loads((tables.DATA / measure.MEASUREMENTS[name]).read_text())

    asked: list = []
    monkeypatch.setattr(measure, "_run", canned)
    assert measure.main([]) == 0
    assert len(asked) == 3 + len(measure.SCALING)
    kept = {name: json.loads((tables.DATA / file).read_text())
            for name, file in measure.MEASUREMENTS.items()}
    for name, file in measure.MEASUREMENTS.items():
        written = json.loads((tmp_path / file).read_text())
        if name != "scaling":
            assert written == kept[name]
            continue
        shown = ("prune", "partitions", "memory")
        assert [[r[k] for k in shown] for r in written] == [
            [r[k] for k in shown] for r in kept[name]]
        assert written[0].keys() == kept[name][0].keys()
        assert written[0]["layers"][0].keys() == kept[name][0]["layers"][0].keys()
    capsys.readouterr()


def test_what_cannot_be_measured_is_refused_and_a_failure_leaves_the_old(tmp_path, monkeypatch,
                                                                         capsys):
    monkeypatch.setattr(measure, "DATA", tmp_path)
    assert measure.main(["scalling"]) == 2
    assert "'scalling'; there are headline" in capsys.readouterr().err
    monkeypatch.setitem(measure._COMMANDS, "ablation", ["sw.ablation", "--only", "nothing"])
    assert measure.main(["ablation"]) == 2
    assert "sw.ablation --only nothing ended with exit code 2" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_measured_tables_are_what_a_run_gives(capsys):
    measured = json.loads((tables.DATA / "measured-tinyvgg16.json").read_text())
    assert compare.main(["--json", "--quiet", "--no-toggles"]) == 0
    now = json.loads(capsys.readouterr().out)
    for old, new in zip(measured["arms"], now["arms"], strict=True):
        assert [x["cycles"] for x in old["layers"]] == [x["cycles"] for x in new["layers"]]
