"""Waveforms and timelines of a run."""

import itertools
import json

import pytest

from sim.vcd import read_vcd
from sw import trace

TINY = ["--network", "digits", "--preset", "tiny", "--partitions", "4", "--act-words", "4096"]


def test_a_window_of_signals_and_a_timeline_are_written(tmp_path):
    signals_file, timeline_file = tmp_path / "fc1.vcd", tmp_path / "run.json"
    assert trace.main([*TINY, "--layer", "fc1", "--cycles", "200", "--out", str(signals_file),
                       "--timeline", str(timeline_file)]) == 0
    signals, samples = read_vcd(signals_file)
    assert samples == 201
    assert "core.core.path.array.product_0_0" in signals
    assert not any("partita_en" in name for name in signals)
    assert any(v.any() for k, v in signals.items() if ".product_" in k), "the array is at work"
    events = json.loads(timeline_file.read_text())["traceEvents"]
    spans = [e for e in events if e["ph"] == "X"]
    assert {e["tid"] for e in spans} == {0, 1}
    assert {"conv1_1", "fc1", "fc3"} <= {e["name"] for e in spans}
    for instance in (0, 1):
        mine = [e for e in spans if e["tid"] == instance]
        for before, after in itertools.pairwise(mine):
            assert after["ts"] == before["ts"] + before["dur"]
    ends = {sum(e["dur"] for e in spans if e["tid"] == i) for i in (0, 1)}
    assert len(ends) == 1, "every instance's causes sum to the whole run"


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "nothing to write"),
    (["--out", "x.vcd", "--cycles", "0"], "--cycles is 0"),
    (["--out", "/nowhere/x.vcd"], "its folder does not exist"),
    (["--out", "x.vcd", "--layer", "fc9"], "--layer 'fc9' is not in"),
])
def test_bad_usage_is_refused(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert trace.main([*TINY, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
