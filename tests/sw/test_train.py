"""The training command: its results, its folder, its errors."""

import hashlib
import json

import pytest

from sw import train
from sw.experiment.training import RUN
from sw.graph.artefact import load_integer
from sw.networks.architectures import tinyvgg16
from tests.support.training import make_tiny_imagenet

pytestmark = pytest.mark.trains


def test_the_command_trains_partitions_and_writes_results(tmp_path, tmp_path_factory, capsys):
    out = tmp_path / "run"
    command = ["--network", "digits", "--epochs", "2", "--tune-epochs", "1", "--partitions", "4",
               "--out", str(out), "--json", "--quiet", "--seeds", "2"]
    assert train.main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert [r["name"] for r in result["rows"]] == [
        "dense", "dense-longer", "p4-fc-optimised-1", "p4-fc-optimised-2"]
    row = result["rows"][2]
    assert row["top1"] > 0.7 and row["kept_weight"].keys() == {"fc1", "fc2"}
    assert result == json.loads((out / "results.json").read_text())
    assert load_integer(out / "p4-fc-optimised-1-int8.safetensors").layers[-1].name == "fc3"
    start, other = out / "dense.safetensors", tmp_path_factory.mktemp("other")
    assert train.main(["--network", "digits", "--checkpoint", str(start), "--epochs", "0",
                       "--tune-epochs", "0", "--partitions", "4", "--out", str(other), "--json",
                       "--quiet"]) == 0
    gone_on = json.loads(capsys.readouterr().out)
    assert gone_on["rows"][0]["top1"] == result["rows"][0]["top1"]
    assert result["checkpoint"] is None and gone_on["checkpoint"] == {
        "file": start.name, "sha256": hashlib.sha256(start.read_bytes()).hexdigest()}
    again = train.main(command)
    repeated = json.loads(capsys.readouterr().out)
    for a, b in zip(result["rows"], repeated["rows"], strict=True):
        assert again == 0 and {**a, "seconds": 0} == {**b, "seconds": 0}
    assert train.main([*command, "--rate", "1e-3"]) == 2
    assert "--restart" in capsys.readouterr().err
    assert train.main(["--network", "digits", "--out", str(tmp_path), "--restart"]) == 2
    assert "it holds 'run', which this command has not written" in capsys.readouterr().err
    assert out.is_dir() and train.main([*command[:-2], "--epochs", "1", "--restart"]) == 0
    capsys.readouterr()
    (out / "thesis.txt").write_text("precious")
    before = sorted(p.name for p in out.iterdir())
    for more in ([], ["--restart"]):
        assert train.main([*command, *more]) == 2
        assert "it holds 'thesis.txt'" in capsys.readouterr().err
    assert before == sorted(p.name for p in out.iterdir())


@pytest.mark.parametrize(("arguments", "message"), [
    (["--network", "digits", "--partitions", "7"], "not divisible by 7"),
    ([], "--data"), (["--network", "digits", "--batch", "1"], "--batch is 1"),
    *((["--network", "digits", option, value], f"{option} goes with --network tinyvgg16")
      for option, value in (("--data", "x"), ("--width", "1"), ("--classes", "2"),
                            ("--per-class", "1"))),
    *((["--network", "digits", "--ablation", option, value],
       f"{option} does not go with --ablation")
      for option, value in (("--partitions", "8"), ("--prune", "fc"),
                            ("--partitioner", "random"))),
    (["--network", "digits", "--data", "x"], "--network tinyvgg16, or one of your own"),
    (["--network", "digits", "--rate", "11"], "--rate is 11; it must be a number above 0, at most "
     "10"),
    (["--network", "digits", "--rate", "5e-324"], "--rate is 5e-324: rate is 0"),
])
def test_bad_usage_is_refused(tmp_path, capsys, arguments, message):
    assert train.main([*arguments, "--out", str(tmp_path / "x")]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_folder_is_named(tmp_path, capsys):
    assert train.main(["--data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere: is not a folder; give the unpacked" in capsys.readouterr().err


def test_a_folder_that_another_run_holds_is_refused(tmp_path, capsys):
    RUN.claim(tmp_path, ["dense.state"])
    (tmp_path / "dense.state").write_text("of a run that goes on")
    with RUN.held(tmp_path):
        before = {p: p.read_bytes() for p in tmp_path.iterdir()}
        assert train.main(["--network", "digits", "--out", str(tmp_path), "--restart"]) == 5
        assert before == {p: p.read_bytes() for p in tmp_path.iterdir()}
    said = capsys.readouterr().err
    assert f"--out {tmp_path}: another command works in this folder; wait until" in said


def test_tinyvgg16_trains_from_the_folder(tmp_path, capsys):
    make_tiny_imagenet(tmp_path / "tiny-imagenet-200", train_images=8, held=4)
    assert train.main([
        "--data", str(tmp_path), "--width", "0.0625", "--epochs", "1", "--tune-epochs", "1",
        "--batch", "4", "--prune", "all", "--out", str(tmp_path / "run"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows[2]["partitions"] == 8 and "conv4_3" in rows[2]["kept_weight"]
    assert len(tinyvgg16(width=0.0625, classes=2).get_parameter("fc1.weight")) == 256
