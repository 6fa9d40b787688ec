"""The boards command: what it says, refuses and returns."""

import dataclasses
import importlib.util
import json
import tempfile
from pathlib import Path

import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS
from boards.flow import platforms, results
from boards.flow.build import _FLOWS, BuildResult, build
from boards.flow.results import built
from boards.tables import boards_table
from hw.build import main as hw_build
from hw.fpga.devices import DoesNotFitError, Usage
from hw.fpga.estimate import quick_usage
from hw.fpga.synthesis import usage_of_stat
from hw.gateware.manifest import memories
from hw.support.errors import OutputError
from tests.support.fakeusb import written
from tests.support.present import present


def test_the_list_names_every_board_and_what_its_preset_takes(capsys):
    assert main(["list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(BOARDS)
    ulx3s = rows["ulx3s-85f"]
    assert ulx3s["dsps_used"] == 8 * (4 * 4 + 3) and ulx3s["fits"]
    assert 0 < ulx3s["built"]["luts"] < ulx3s["luts"]
    assert rows["icebreaker"]["dsps_used"] == 4 * 2 and rows["icebreaker"]["fits"]


def test_the_list_says_what_a_preset_took_or_why_it_does_not_fit(capsys, monkeypatch):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "8 x 4x4 at 50 MHz, built: " in said
    assert "1 x 4x2 at 12 MHz, built: " in said
    monkeypatch.setattr("boards.flow.commands.built", lambda board: None)
    assert main(["list"]) == 0
    assert "152 DSP blocks and 200 block RAMs: fits, LUTs aside; not built yet" \
        in capsys.readouterr().out


def test_the_table_has_a_row_for_each_build_and_says_why_there_is_none(capsys, tmp_path,
                                                                       monkeypatch):
    for module in ("results", "commands"):
        monkeypatch.setattr(f"boards.flow.{module}.RESULTS", tmp_path / "results.json")

    def build(board, config, out, *, say):
        if board.name == "orangecrab-85f":
            raise DoesNotFitError("too many DSP blocks\nand more")
        return BuildResult(board.name, Usage(4000, 3000, 8, 26), 17.04, board.clock_mhz,
                           out / board.bitstream, 104090, 64.7)

    monkeypatch.setattr("boards.flow.commands.build", build)
    assert main(["table", "icebreaker", "orangecrab-85f"]) == 0
    capsys.readouterr()
    row = present(built(BOARDS["icebreaker"]))
    assert (row["luts"], row["luts_of"], row["dsps"], row["block_rams"]) == (4000, 5280, 8, 26)
    assert (row["fmax_mhz"], row["bytes"], row["seconds"], row["why"]) == (17.0, 104090, 65, "")
    assert present(built(BOARDS["orangecrab-85f"]))["why"] == "too many DSP blocks"
    assert built(BOARDS["ulx3s-85f"]) is None


@pytest.mark.parametrize("name", BOARDS)
def test_presets_go_with_their_boards(name):
    board = BOARDS[name]
    system = board.system()
    assert system.clocks_per_bit * board.baud == pytest.approx(board.clock_mhz * 1e6, rel=0.02)
    assert quick_usage(board.config).block_rams == board.config.instances * sum(
        m.block_rams for m in memories(board.config))


def test_what_cannot_fit_is_refused_before_synthesis_with_the_nearest_that_may(capsys, tmp_path):
    assert main(["build", "ulx3s-85f", "--rows", "8", "--cols", "8",
                 "--out", str(tmp_path / "x")]) == 4
    said = capsys.readouterr().err
    assert "648 DSP blocks of 156" in said and "--instances 1 --rows 8 --cols 8" in said
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("changes,needs", [(["--cols", "4"], 16), (["--core", "pipelined"], 11)])
def test_where_nothing_near_fits_the_preset_is_named(changes, needs, capsys, tmp_path):
    assert main(["build", "icebreaker", *changes, "--out", str(tmp_path / "x")]) == 4
    said = capsys.readouterr().err
    assert f"needs {needs} DSP blocks of 8" in said
    assert "the board's preset fits: 1 x 4x2, --core microcoded" in said


@pytest.mark.parametrize("arguments,message", [
    (["build", "nothing"], "no board 'nothing'; there are ulx3s-12f, ulx3s-25f, ulx3s-45f"),
    (["build", "ulx3s-85f", "--memory", "private"], "a board has one memory"),
    (["build", "ulx3s-85f", "--cols", "99"], "--cols is 99"),
    (["build", "ulx3s"], "'ulx3s' is made with more than one FPGA, and a bitstream is for one: "
     "take ulx3s-12f, ulx3s-25f, ulx3s-45f, ulx3s-85f"),
    (["flash", "ulx3s-85f", "--dry-run", "--out", "/nonexistent"], "holds no build"),
    (["run", "ulx3s-85f"], "--port, or take --virtual"),
    (["run", "ulx3s-85f", "--virtual", "--images", "0"], "--images is 0"),
    (["run", "ulx3s-85f", "--port", "/dev/nowhere", "--virtual-baud", "9600"],
     "--virtual-baud goes with --virtual"),
    (["run", "ulx3s-85f", "--virtual", "--out", "build"], "goes with --port"),
    (["run", "ulx3s-85f", "--port", "/dev/nowhere", "--virtual-latency-ms", "16"],
     "--virtual-latency-ms goes with --virtual"),
    (["check", "ulx3s-85f", "--port", "auto", "--inject", "no-refresh"], "--inject goes with"),
    (["check", "icebreaker", "--virtual", "--inject", "no-refresh"], "the iCEBreaker has none"),
    (["margins", "icebreaker"], "the iCEBreaker has no SDRAM; its memory is 128 KiB SPRAM"),
    (["run", "ulx3s-85f", "--port", "/dev/ttyUSB0", "--serial", "D1"], "--serial goes with --port "
     "auto"),
    (["check", "ulx3s-85f"], "--port, or take --virtual"),
    *((command, "--virtual a simulated one; leave one out") for command in (
        ["run", "ulx3s-12f", "--virtual", "--port", "/dev/ttyUSB0"],
        ["check", "ulx3s-12f", "--virtual", "--port", "/dev/ttyUSB0"])),
    *(([command, "ulx3s-12f", *more, "--dense", "--partitions", "4"],
       "--dense goes without --partitions") for command, more in (
        ("run", ["--virtual"]), ("export", ["--out", "none"]))),
    (["check", "ulx3s-85f", "--virtual", "--whole"], "--whole goes with --port"),
    (["run", "ulx3s-12f", "--virtual", "--memory", "private", "--instances", "2"],
     "--memory is 'private'; a board has one memory"),
])
def test_mistakes_are_named(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_without_a_command_it_prints_its_help(capsys):
    assert main([]) == 2
    assert "python -m boards list" in capsys.readouterr().out


def test_a_bitstream_needs_the_package_that_knows_the_pins(capsys, tmp_path, monkeypatch):
    """Which is told, as the doctor tells it, before any work."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: (
        None if name == "amaranth_boards" else find_spec(name)))
    monkeypatch.setattr("boards.flow.build.program_path", lambda name: name)
    assert main(["build", "ulx3s-12f", "--out", str(tmp_path / "out")]) == 3
    said = capsys.readouterr().err
    assert "ULX3S-12F, is missing: pip install amaranth-boards" in said and "generating" not in said
    platforms.check_platform(BOARDS["tangnano20k"])  # which has none


def test_the_table_tells_which_rows_are_of_another_preset(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(results, "sources_digest", lambda board, config: bytes(8))
    board, taken = BOARDS["icebreaker"], Usage(4000, 3000, 8, 26)
    result = BuildResult("icebreaker", taken, 17.0, 12.0, tmp_path, 1, 2.0)
    results.add_row(board, result, "")
    assert "older build" not in boards_table()
    other = dataclasses.replace(board, config=board.config.replace(array__cols=1))
    results.add_row(other, result, "")
    assert f"{other.config.shape} (an older build: the preset is {board.config.shape})" in \
        boards_table()


def test_a_port_that_is_not_there_ends_with_5(capsys, tmp_path):
    assert main(["run", "ulx3s-85f", "--port", "/dev/nowhere", "--out", str(tmp_path)]) == 5
    said = capsys.readouterr().err
    assert "cannot open /dev/nowhere: No such file or directory; is the board plugged in" in said
    assert f"no build: taking the board to hold {BOARDS['ulx3s-85f'].config.shape}" in said
    assert "training" not in said and "digits" not in said  # it is noticed before anything long


def test_what_is_no_port_is_told(capsys, tmp_path):
    path = tmp_path / "net.py"
    path.touch()
    assert main(["check", "ulx3s-85f", "--port", str(path), "--out", str(tmp_path / "out")]) == 5
    assert f"cannot open {path}: it is no serial port; is the board" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["run", "--virtual"], ["export", "--out", "none"]])
@pytest.mark.parametrize(("name", "options", "lacks"), [
    ("ulx3s-12f", ["--instances", "8", "--rows", "8", "--cols", "8"], "needs 648 DSP blocks of 28"),
    ("ulx3s-12f", ["--act-words", "1048576"], "block RAMs of 56"),
    ("icebreaker", ["--core", "pipelined", "--instances", "2"], "needs 6,000 LUTs of 5,280")])
def test_what_does_not_fit_a_board_runs_on_none(command, name, options, lacks, capsys):
    first, *more = command
    assert main([first, name, *more, *options]) == 4
    assert lacks in capsys.readouterr().err


@pytest.mark.parametrize(("name", "lacks"), [
    ("make", "bytes of memory; there are 73,728 on the Tang Nano 20K"),
    ("smooth", "set array.tables (--tables), or take ReLU")])
def test_what_a_board_cannot_take_is_told_before_the_work(capsys, tmp_path, monkeypatch, name,
                                                          lacks):
    """Of a network's layers alone."""
    (tmp_path / "own.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Flatten(), "
        "nn.Linear(768, 128))\ndef smooth():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), "
        "nn.SiLU())\n")
    monkeypatch.setattr("boards.deploy.task.load_workload", lambda *args, **options: 1 / 0)
    assert main(["run", "tangnano20k", "--virtual", "--network", f"{tmp_path}/own.py:{name}",
                 "--input-shape", "3x16x16"]) == (4 if name == "make" else 2)
    assert lacks in capsys.readouterr().err


def test_a_build_decides_what_a_board_holds(capsys, tmp_path):
    written(BOARDS["ulx3s-85f"], tmp_path)
    run = ["run", "ulx3s-85f", "--port", "/dev/nowhere", "--out", str(tmp_path)]
    assert main([*run, "--rows", "8"]) == 2
    assert f"--rows is 8, not 4 as in the build that the board holds, {tmp_path}; leave" \
        in capsys.readouterr().err
    assert main([*run, "--rows", "4", "--instances", "8"]) == 5
    assert "cannot open /dev/nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("spoil,said", [
    (lambda out: (out / "letter.txt").write_text("dear"), "it holds 'letter.txt', which"),
    (lambda out: (out.rmdir(), out.write_text("in the way")), "File exists"),
], ids=["foreign", "impossible"])
def test_a_bitstream_that_cannot_be_written_is_kept(tmp_path, monkeypatch, spoil, said):
    board, out = BOARDS["icebreaker"], tmp_path / "out"
    out.mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    def flow(board, config, system, folder, say):
        (folder / board.bitstream).write_bytes(b"bits")
        spoil(out)
        return 20.0, Usage(4000, 3000, 8, 26)

    monkeypatch.setitem(_FLOWS, "ice40", flow)
    monkeypatch.setattr("boards.flow.build.program_path", lambda tool: tool)
    with pytest.raises(OutputError) as refused:
        build(board, board.config, out)
    text, _, kept = str(refused.value).rpartition("; the finished bitstream is kept: ")
    assert said in text and Path(kept).read_bytes() == b"bits"
    assert len(list((tmp_path / "temporary").iterdir())) == 1


def test_the_table_refuses_a_folder_before_the_first_build(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("boards.flow.commands.build",
                        lambda *args, **options: pytest.fail("it began"))
    (tmp_path / "build" / "ulx3s-85f").mkdir(parents=True)
    (tmp_path / "build" / "ulx3s-85f" / "letter.txt").write_text("dear")
    assert main(["table", "icebreaker", "ulx3s-85f"]) == 2
    assert "it holds 'letter.txt'" in capsys.readouterr().err


def test_the_table_tells_which_rows_are_of_other_sources(capsys, tmp_path, monkeypatch):
    board = BOARDS["icebreaker"]
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.json")
    assert main(["table", "--check", "icebreaker"]) == 1
    assert capsys.readouterr().out == "icebreaker: not built\n"
    result = BuildResult("icebreaker", Usage(4000, 3000, 8, 26), 17.0, 12.0, tmp_path, 1, 2.0)
    results.add_row(board, result, "")
    assert main(["table", "--check", "icebreaker"]) == 0
    monkeypatch.setattr(results, "sources_digest", lambda board, config: bytes(8))
    assert main(["table", "--check", "icebreaker"]) == 1
    assert capsys.readouterr().out == "icebreaker: of other sources than today's\n"


def test_a_foreign_folder_is_not_overwritten(capsys, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    assert main(["build", "ulx3s-85f", "--out", str(tmp_path)]) == 2
    assert "it holds 'letter.txt', which this command has not written" in capsys.readouterr().err
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_hw_build_hands_boards_over(capsys):
    assert hw_build(["--instances", "32", "--board", "ulx3s-85f"]) == 4
    assert "does not fit ULX3S-85F" in capsys.readouterr().err


def test_cells_are_added_up_by_family():
    text = "  10   LUT4\n   3   CCU2C\n   2   TRELLIS_DPR16X4\n   5   TRELLIS_FF\n   1 core\n"
    usage = usage_of_stat(text, "ecp5")
    assert (usage.luts, usage.flip_flops) == (10 + 6 + 12, 5)
    text = "  3   LUT4\n  4   SDPX9B\n  8   SP\n  16   MULT9X9\n  2   MULT18X18\n"
    usage = usage_of_stat(text, "gowin")
    assert (usage.block_rams, usage.dsps) == (12, 10)
