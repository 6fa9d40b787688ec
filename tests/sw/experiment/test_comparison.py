"""What is run of a comparison, decided before anything is built."""

import shlex
from argparse import Namespace

import pytest

from hw.support.arguments import UsageError
from sw import check, compare, explore
from sw.experiment.comparison import _next, _whole_batches
from sw.report import __main__ as report


def test_images_that_nobody_counts_are_one_batch():
    """As one image in a batch of eight would be charged with the time of all."""
    args = Namespace(images=None, batch=8)
    assert _whole_batches(args) == ["--images is not given: one batch of 8"] and args.images == 8
    for images, batch in ((None, 1), (3, 1), (16, 8)):
        args = Namespace(images=images, batch=batch)
        assert _whole_batches(args) == [] and args.images == images


@pytest.mark.parametrize(("images", "batch", "remedy"), [
    (1, 8, "--images is 1 and --batch 8: .* take --images 8, or another --batch"),
    (12, 8, "--images is 12 and --batch 8: .* take --images 8 or 16, or another --batch")])
def test_a_batch_that_is_not_full_is_refused_before_anything_is_read(
        images, batch, remedy, monkeypatch, capsys):
    with pytest.raises(UsageError, match=f"^{remedy}$"):
        _whole_batches(Namespace(images=images, batch=batch))
    monkeypatch.delattr("sw.experiment.comparison.load_workload")
    counts = ["--images", str(images), "--batch", str(batch)]
    assert compare.main(["--network", "digits", *counts]) == 2
    assert "or another --batch" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "following", "parser"), [
    (["--save", "a b.json"], "sw.report 'a b.json' --out 'a b.html'", report.parser),
    (["--save", "a.json", "--report", "a.html"], "sw.explore --network digits", explore.parser),
    (["--partitions", "4", "--prune", "all", "--preset", "tiny"],
     "sw.explore --network digits --prune all --partitions 1,4 --preset tiny", explore.parser),
    (["--preset", "ice40up5k"], "sw.check digits --board icebreaker", check.parser),
])
def test_what_comes_next_is_a_command(options, following, parser):
    args = compare.parser().parse_args(["--network", "digits", *options])
    assert _next(args) == f"python -m {following}"
    parser().parse_args(shlex.split(following)[1:])
