"""Commands refuse places for their output before any work, and lose no result after it."""

import importlib
import json
import os
from pathlib import Path

import pytest

from sw.terminal.console import deliver

#: Every option that names an output, with what it takes to reach it.
OPTIONS = [
    ("sw.compare", "--save", []), ("sw.compare", "--report", []), ("sw.ablation", "--save", []),
    ("sw.scale", "--plot", []), ("sw.explore", "--plot", []), ("sw.trace", "--timeline", []),
    ("sw.trace", "--out", []), ("sw.train", "--out", ["--network", "digits"]),
    ("hw.build", "--out", []), ("boards.__main__", "--out", ["build", "icebreaker"]),
    ("hw.build", "--floorplan", ["--estimate", "ecp5-85k", "--instances", "2"]),
]


@pytest.fixture
def nothing_runs(monkeypatch):
    """Fail whatever would take time."""
    def work(*arguments, **options):
        pytest.fail("the work has begun")

    for place in ("sw.experiment.comparison.load_workload", "sw.experiment.ablation.workloads",
                  "sw.experiment.dropping.grow_digits", "sw.experiment.exploration.evaluate",
                  "sw.experiment.tracing.load_workload", "sw.experiment.training.digits_task",
                  "hw.rtl.folder.generate", "boards.flow.build.generate"):
        module, name = place.rsplit(".", 1)
        monkeypatch.setattr(importlib.import_module(module), name, work)


@pytest.mark.parametrize("place", ["file/below.fst", "loop/below.fst", "n" * 300 + ".fst",
                                   "/proc/below.fst"])
@pytest.mark.parametrize(("module", "option", "more"), OPTIONS)
def test_a_bad_place_is_refused_before_any_work(tmp_path, monkeypatch, capsys, nothing_runs,
                                                module, option, more, place):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("x")
    Path("loop").symlink_to("loop")
    code = importlib.import_module(module).main([*more, option, place])
    said = capsys.readouterr().err
    assert code == 5 or (option == "--floorplan" and code == 2), said
    assert (place.split("/")[0] or place) in said and "Traceback" not in said
    assert sorted(os.listdir()) == ["file", "loop"]


@pytest.mark.parametrize(("module", "option", "more"), [o for o in OPTIONS if o[1] != "--out"])
def test_a_folder_is_no_place_for_a_file(tmp_path, capsys, nothing_runs, module, option, more):
    assert importlib.import_module(module).main([*more, option, str(tmp_path)]) in (2, 5)
    assert str(tmp_path) in capsys.readouterr().err


def test_a_result_is_printed_where_its_file_cannot_be_written(tmp_path, capsys):
    good = tmp_path / "good"
    with pytest.raises(OSError, match="No space left"):
        deliver('{"cycles": 5}', lambda: print("table"), {
            Path("/dev/full"): lambda: "x" * 100_000, good: lambda: "page", None: lambda: "none"},
            as_json=False)
    assert json.loads(capsys.readouterr().out) == {"cycles": 5} and good.read_text() == "page"


@pytest.mark.parametrize(("as_json", "said"), [(True, "{}\n"), (False, "table\n")])
def test_a_result_is_printed_once(tmp_path, capsys, as_json, said):
    for quiet in (False, True):
        deliver("{}", lambda: print("table"), {tmp_path / "a": lambda: "A", None: lambda: "B"},
                as_json=as_json, quiet=quiet)
        told = capsys.readouterr()
        assert told.out == said and (tmp_path / "a").read_text() == "A"
        assert told.err == ("" if quiet else f"wrote {tmp_path / 'a'}\n")


def test_a_plot_goes_through_a_link_or_to_a_device(tmp_path, capsys):
    from sw.explore import main
    small = ["--network", "digits", "--partitions", "1", "--instances", "1", "--arrays", "4x4",
             "--json"]
    (tmp_path / "link.svg").symlink_to("real.svg")
    for place in ("/dev/null", tmp_path / "link.svg"):
        assert main([*small, "--plot", str(place)]) == 0
        assert json.loads(capsys.readouterr().out)["points"]
    assert Path("/dev/null").is_char_device() and (tmp_path / "link.svg").is_symlink()
    assert (tmp_path / "real.svg").read_text().startswith("<svg")
