"""Longest paths, by hand."""

import pytest

from sim.gates.liberty import LibertyError, read_liberty
from sim.gates.netlist import SLEW_NS, NetlistError
from sim.gates.timing import analyse
from tests.sim.gates.test_gates import CELLS, LIBERTY, cell, make_netlist


def timing(source: str, kind: str, rise: float, fall: float, per_pf: float) -> str:
    """A delay by load; an output's transition is a tenth of its delay."""
    def table(name: str, at: float) -> str:
        return (f'{name} ("t") {{ index_1 ("0.0, 1.0"); index_2 ("0.0, 0.1"); values '
                f'("{at}, {at + per_pf / 10}", "{at + 1}, {at + 1 + per_pf / 10}"); }}')

    return (f'timing () {{ related_pin : "{source}"; timing_type : "{kind}"; '
            + table("cell_rise", rise) + table("cell_fall", fall)
            + table("rise_transition", 0.0) + table("fall_transition", 0.0) + "}")


SETUP = ('timing () { related_pin : "CLK"; timing_type : "setup_rising"; rise_constraint ("t") '
         '{ index_1 ("0.0, 1.0"); index_2 ("0.0, 1.0"); values ("0.25, 1.25", "0.25, 1.25"); } }')


@pytest.fixture
def library(tmp_path):
    """A transition of t ns adds t to a delay, and to the time that a flip-flop's input needs."""
    text = LIBERTY
    for pin, more in (
            ('function : "!A";', timing("A", "combinational", 1.0, 2.0, 10)),
            ('function : "(A&B)";', timing("A", "combinational", 4, 4, 0)
             + timing("B", "combinational", 0.5, 0.25, 0)),
            ('function : "IQ";', timing("CLK", "rising_edge", 0.5, 0.75, 10)),
            ('pin ("D") { direction : "input";', SETUP)):
        text = text.replace(pin, pin + more)
    (tmp_path / "toy.lib").write_text(text)
    return read_liberty(tmp_path / "toy.lib")


def test_the_longest_path_goes_from_clock_to_setup(tmp_path, library):
    """q, loaded by 30 fF, through the gate to the output; or, loaded by 10, through the inverter,
    to a flip-flop's setup."""
    found = analyse(make_netlist(tmp_path, library, CELLS)).registers
    from_clock, slew = 0.75 + SLEW_NS + 10 * 0.03, SLEW_NS + 10 * 0.03
    assert dict(found.nets) == pytest.approx({
        "q[0]": from_clock, "y[0]": from_clock + 4 + slew})
    assert found.ns == pytest.approx(from_clock + 4 + slew)
    again = {**CELLS, "back": cell("dff", D=6, CLK=2, Q=9), "x": cell("inv", A=3, Y=7)}
    found = analyse(make_netlist(tmp_path, library, again)).registers
    from_clock, slew, load = 0.75 + SLEW_NS + 0.1, SLEW_NS + 0.1, 0.1
    inverted = from_clock + 2.0 + slew + load
    assert [name for name, _ in found.nets] == ["q[0]", "n[0]"]
    assert found.ns == pytest.approx(inverted + 0.25 + slew + load)


def test_a_load_beyond_the_table_takes_longer_still(tmp_path, library):
    arc = library.cells["inv"].pins["Y"].arcs[0]
    assert arc.slowest(0.0, 0.1) == pytest.approx((3.0, 1.0))
    assert arc.slowest(0.0, 0.3) == pytest.approx((5.0, 3.0))


def test_paths_that_begin_at_a_memory_are_told_apart(tmp_path, library):
    memory = {"type": "$mem_v2", "connections": {"RD_DATA": [9], "RD_ADDR": [6], "RD_EN": ["1"]}}
    cells = {**CELLS, "m": memory, "k": cell("inv", A=9, Y=10),
             "into": cell("dff", D=10, CLK=2, Q=11)}
    names = {n: {"bits": [b]} for n, b in (("q", 5), ("y", 7), ("z", 9), ("k", 10), ("into", 11),
                                           ("n", 6), ("clk", 2), ("a", 3), ("en", 4), ("g", 8))}
    found = analyse(make_netlist(tmp_path, library, cells, netnames=names))
    load = 0.1
    assert found.memories.ns == pytest.approx(2 + SLEW_NS + load + 0.25 + SLEW_NS + load)
    assert [name for name, _ in found.memories.nets] == ["z[0]", "k[0]"]
    assert found.registers.nets[0][0] == "q[0]"
    without = analyse(make_netlist(tmp_path, library, CELLS))
    assert without.memories.ns == 0.0 and not without.memories.nets


def test_a_memory_s_address_is_an_end(tmp_path, library):
    memory = {"type": "$mem_v2", "connections": {"RD_DATA": [9], "RD_ADDR": [6], "RD_EN": ["1"]}}
    cells = {**CELLS, "m": memory, "x": cell("inv", A=3, Y=7)}
    assert analyse(make_netlist(tmp_path, library, cells)).registers.nets[-1][0] == "n[0]"


def test_cells_without_delays_are_named(tmp_path, library):
    text = (tmp_path / "toy.lib").read_text()
    (tmp_path / "bad.lib").write_text(text.replace('related_pin : "B"', 'related_pin : "C"'))
    with pytest.raises(NetlistError, match="and2 has a delay from 'C'"):
        analyse(make_netlist(tmp_path, read_liberty(tmp_path / "bad.lib"), CELLS))
    for kind in "combinational_rise", "three_state_enable":
        (tmp_path / "bad.lib").write_text(text.replace(
            'related_pin : "B"; timing_type : "combinational"',
            f'related_pin : "B"; timing_type : "{kind}"'))
        with pytest.raises(NetlistError, match="and2 has no delay from B to Y in toy"):
            analyse(make_netlist(tmp_path, read_liberty(tmp_path / "bad.lib"), CELLS))
    (tmp_path / "toy.lib").write_text(LIBERTY)
    with pytest.raises(NetlistError, match="flip-flop dff has no delays in toy"):
        analyse(make_netlist(tmp_path, read_liberty(tmp_path / "toy.lib"), CELLS))


def test_the_smallest_plain_flip_flop_drives_inputs(tmp_path, library):
    assert library.flip_flop == "dff"
    (tmp_path / "none.lib").write_text(LIBERTY.replace('next_state : "D"', 'next_state : "!D"'))
    with pytest.raises(LibertyError, match="no flip-flop with a clock and one input alone"):
        _ = read_liberty(tmp_path / "none.lib").flip_flop
