"""A network is checked in the form in which the next command runs it."""

from sw.experiment.checking.targets import targets
from tests.support.checks import checked
from tests.support.own import write_own


def test_for_a_board_it_is_checked_as_that_runs_it(capsys):
    """As `boards run` and `boards list` have it: what the next command does."""
    for board, partitions in (("icebreaker", 16), ("ulx3s-12f", 8), ("tangnano20k", 16)):
        data = checked(capsys, "digits", "--board", board)
        assert data["partitions"] == partitions and data["cuts"] == []
        assert f"digits, pruned to {partitions} partitions, runs on" in data["verdict"]
        assert data["next"] == f"python -m boards run {board} --virtual --network digits"
        assert {fit["name"]: fit["pruned"] for fit in data["fits"]} == {
            name: machine.parts for name, machine in targets().items() if name != board}
        assert all(fit["fits"] for fit in data["fits"])


def test_more_partitions_can_be_asked_for(tmp_path, capsys):
    own = write_own(tmp_path)
    data = checked(capsys, "digits", "--board", "icebreaker", "--partitions", "1", code=4)
    assert "does not fit" in data["verdict"] and data["partitions"] == 1
    assert "prune it into more partitions (--partitions), or take" in data["obstacles"][0]["why"]
    data = checked(capsys, "digits", "--board", "icebreaker", "--partitions", "32")
    assert data["partitions"] == 32 and data["next"].endswith(" --network digits --partitions 32")
    data = checked(capsys, own.onnx, "--board", "ulx3s-12f", "--partitions", "4")
    assert data["pruned"] == "n7 in 4 parts, as --partitions says" and data["partitions"] == 4
    assert data["next"].endswith(f" --network {own.onnx} --partitions 4")
