"""What is in a network's way is told with what removes it."""

import onnx
from onnx import helper

from sw import check
from tests.support.checks import checked
from tests.support.onnx_files import model_of


def test_more_than_addresses_reach_is_told_by_what_there_is(tmp_path, capsys):
    """Of a board its memory, which nothing raises; of a preset the option that raises it."""
    source = tmp_path / "net.py"
    source.write_text("from torch import nn\ndef make():\n    return nn.Sequential("
                      "nn.Conv2d(3, 64, 3, padding=1), nn.Conv2d(64, 4, 1))\n")
    network = [f"{source}:make", "--input-shape", "3x40x40"]
    data = checked(capsys, *network, "--board", "orangecrab-25f", code=4)
    obstacle, = data["obstacles"]
    assert obstacle["why"].endswith("there are 73,728: prune it into more partitions "
                                    "(--partitions), or take --board ulx3s-12f")
    why = next(x["why"] for x in data["fits"] if x["name"] == "orangecrab-85f")
    assert why.endswith("; there are 131,072") and "address_bits" not in why
    data = checked(capsys, *network, "--preset", "tiny", "--address-bits", "16", code=4)
    assert ", or take --address-bits 18" in data["obstacles"][0]["why"]


def test_a_shape_that_a_file_leaves_open_is_asked_for(tmp_path, capsys):
    onnx.save(model_of([helper.make_node("Relu", ["x"], ["y"])], [None, 3, "height", "width"], "y",
                       {}), tmp_path / "open.onnx")
    assert check.main([str(tmp_path / "open.onnx"), "--board", "ulx3s-12f"]) == 2
    assert "give in_shape (--input-shape), the sizes of one image" in capsys.readouterr().err
