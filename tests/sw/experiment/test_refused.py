"""Networks that are refused whole: nothing of them can be cut, or there is no room by far."""

from hw.config import PRESETS
from sw import check, compare, explore
from sw.compiler.compile import lower
from sw.experiment.ablation import workloads
from sw.experiment.checking import quick
from sw.experiment.choice import Choice
from sw.networks.naming import origin_of
from tests.support.checks import checked


def test_a_network_of_which_nothing_can_be_cut_is_cut_into_no_partitions(tmp_path, capsys):
    file = tmp_path / "net.py"
    file.write_text("from torch import nn\ndef make():\n    return nn.Sequential(nn.Conv2d(1, 4, "
                    "3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))\n")
    network = [f"{file}:make", "--input-shape", "1x8x8", "--partitions"]
    says = ("--partitions is 3: nothing of make can be cut: it has no linear layer but the "
            "classifier; leave --partitions out")
    for main, arguments in ((check.main, network), (compare.main, ["--network", *network]),
                            (explore.main, ["--network", *network])):
        assert main([*arguments, "3"]) == 2
        assert says in capsys.readouterr().err
    assert checked(capsys, *network, "1")["runs"]


def test_convolutions_that_can_be_cut_are_said_and_ablated(tmp_path, capsys):
    file = tmp_path / "net.py"
    file.write_text("from torch import nn\ndef make():\n    return nn.Sequential(nn.Conv2d(1, 8, "
                    "3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), "
                    "nn.Flatten(), nn.Linear(512, 10))\n")
    network = [f"{file}:make", "--input-shape", "1x8x8", "--partitions", "2"]
    assert check.main(network) == 2
    assert "or cut its convolutions, with --prune all of sw.compare" in capsys.readouterr().err
    choice = Choice(origin_of(network[0], in_shape=(1, 8, 8)))
    fc, every, _ = workloads(choice, PRESETS["tiny"], 2, 1, lambda text: None)
    assert fc.name == "dense, one port" and every.name == "all layers pruned, a port each"


def test_what_has_no_room_by_far_is_refused_before_its_programs_are_made(tmp_path, capsys,
                                                                         monkeypatch):
    file = tmp_path / "net.py"
    file.write_text("from torch import nn\ndef make():\n    return nn.Sequential(nn.Flatten(), "
                    "nn.Linear(768, 512))\n")

    def planned_alone(graph, config, *, planned=False, **more):
        assert planned, "programs are made"
        return lower(graph, config, planned=True)

    monkeypatch.setattr(quick, "_MOST_PIECES", 1000)
    monkeypatch.setattr(quick, "lower", planned_alone)
    data = checked(capsys, f"{file}:make", "--input-shape", "3x16x16", "--board", "icebreaker",
                   code=4)
    assert "needs 399,104 bytes" in data["obstacles"][0]["why"]
    assert "there are 131,072" in data["obstacles"][0]["why"]


def test_a_file_that_is_no_model_is_refused_as_such(tmp_path, capsys):
    broken = tmp_path / "cut.onnx"
    broken.write_bytes(b"\x08\x07\x12")
    assert check.main([str(broken)]) == 2
    said = capsys.readouterr()
    assert "cut.onnx is no ONNX model that can be read" in said.err and not said.out


def test_layers_of_zeros_are_among_what_is_said(tmp_path, capsys):
    file = tmp_path / "net.py"
    file.write_text("from torch import nn\ndef make():\n    net = nn.Sequential(nn.Conv2d(1, 4, "
                    "3), nn.Flatten(), nn.Linear(144, 10))\n    nn.init.zeros_(net[2].weight)\n"
                    "    return net\n")
    notes = checked(capsys, f"{file}:make", "--input-shape", "1x8x8")["notes"]
    assert any(x.startswith("all weights are zero in 2: ") for x in notes)
