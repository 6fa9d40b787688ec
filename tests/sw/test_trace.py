"""Waveforms and timelines of a run."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pylibfst
import pytest

from hw.support.marks import is_marked
from sim.waves.vcd import read_vcd
from sw import trace

TINY = ["--network", "digits", "--preset", "tiny", "--partitions", "4"]


@pytest.mark.builds
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


@pytest.mark.builds
def test_a_window_after_the_end_is_refused_with_what_there_is(tmp_path, capsys):
    assert trace.main([*TINY, "--layer", "fc3", "--start", "100000", "--out",
                       str(tmp_path / "x.vcd")]) == 2
    said = capsys.readouterr().err
    left, = re.findall(r"--start is 100000: the run takes ([\d,]+) cycles from layer fc3 on; it "
                       "must be less\n", said)
    assert 0 < int(left.replace(",", "")) < 10_000 and not list(tmp_path.iterdir())


@pytest.mark.builds
def test_fst_holds_the_same_changes(tmp_path):
    vcd, fst = tmp_path / "a.vcd", tmp_path / "a.fst"
    for path in (vcd, fst):
        assert trace.main([*TINY, "--layer", "fc1", "--cycles", "60", "--out", str(path)]) == 0
    assert sorted(x.name for x in tmp_path.iterdir()) == ["a.fst", "a.vcd"], "nothing else is left"
    assert is_marked(vcd, "partita.trace") and is_marked(fst, "partita.trace")
    expected, samples = read_vcd(vcd)
    reader = pylibfst.lib.fstReaderOpen(str(fst).encode())
    _, signals = pylibfst.get_scopes_signals2(reader)
    begin = pylibfst.lib.fstReaderGetStartTime(reader)
    assert pylibfst.lib.fstReaderGetEndTime(reader) - begin == samples - 1 == 60
    for name, rows in expected.items():
        signal = next(s for k, s in signals.by_name.items() if k.split(" ")[0] == name)
        for time in (0, 1, 30, 59):
            text = pylibfst.ffi.new("char[]", 4096)
            value = pylibfst.helpers.string(pylibfst.lib.fstReaderGetValueFromHandleAtTime(
                reader, begin + time, signal.handle, text))
            bits = [int(rows[k][time // 64]) >> time % 64 & 1 for k in range(len(rows))]
            assert [int(x == "1") for x in reversed(value)] == bits, (name, time)
    pylibfst.lib.fstReaderClose(reader)


@pytest.mark.parametrize(("arguments", "code", "message"), [
    ([], 2, "nothing to write"),
    (["--out", "x.vcd", "--cycles", "0"], 2, "--cycles is 0"),
    (["--out", "/nowhere/x.vcd"], 5, "--out /nowhere/x.vcd: /nowhere: No such file"),
    (["--out", "x.txt"], 2, "ends in .fst or .vcd"),
    (["--out", "x.vcd", "--layer", "fc9"], 2, "--layer 'fc9' is not in"),
    (["--timeline", "x.json", "--layer", "fc1"], 2, "--layer goes with --out, whose window it"),
    (["--timeline", "x.json", "--start", "0"], 2, "--start goes with --out, whose window it"),
    (["--timeline", "x.json", "--cycles", "1000"], 2, "--cycles goes with --out, whose window it"),
    (["--out", "x.vcd", "--form", "dense"], 2, "--partitions goes without --form dense, of which"),
    (["--out", "x.vcd", "--form", "dense", "--plan", "p"], 2, "goes without --form dense"),
])
def test_bad_usage_is_refused(capsys, monkeypatch, tmp_path, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    assert trace.main([*TINY, *arguments]) == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.builds
def test_a_full_disk_is_told(tmp_path):
    """The program is not ended by the simulation, and half a file is not left."""
    code = "\n".join((
        "import resource, sys; from sw import trace",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))",
        f"sys.exit(trace.main({[*TINY, '--layer', 'fc1', '--cycles', '200', '--out', 'x.vcd']}))"))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    assert done.returncode == 5, done.stderr
    assert "File too large; raise the limit on the size of files" in done.stderr
    assert not any(tmp_path.iterdir())
