"""Accuracies of several runs stand in one table, beside what they are compared with."""

import pytest

from sw.readme import trained
from sw.training.shares import percent


def run(network: str, *rows: tuple[str, str, float]) -> dict:
    """Stored results of networks by name, what is pruned, and top-1."""
    return {"network": network, "data": "photographs", "held_out": 100, "rows": [{
        "name": name, "prune": prune, "partitions": 8 if prune else 1,
        "partitioner": "optimised" if prune else "", "kept_weight": {"fc1": 0.25} if prune else {},
        "parameters": 1000, "top1": top1, "top5": top1, "int8_top1": top1, "int8_top5": top1}
        for name, prune, top1 in rows]}


def rows_of(monkeypatch: pytest.MonkeyPatch, *runs: dict) -> list[list[str]]:
    """The cells that matter of the table's rows."""
    monkeypatch.setattr(trained, "stored", lambda name: runs[int(name)])
    text = trained.training_table(*map(str, range(len(runs))))
    cells = [[x.strip() for x in line.strip("|").split("|")] for line in text.splitlines()[4:]]
    return [[*row[:4], row[6], row[8]] for row in cells]


def test_all_are_compared_with_the_dense_network_that_was_trained_as_long(monkeypatch):
    first = run("wide", ("dense", "", 0.5), ("dense-longer", "", 0.6), ("p8-fc-1", "fc", 0.5),
                ("p8-fc-2", "fc", 0.7))
    assert rows_of(monkeypatch, first) == [
        ["dense", "", "", "1", "50.0 +-5.0", "-10.0"],
        ["dense, longer", "", "", "1", "60.0 +-4.9", ""],
        ["8", "fc", "optimised", "2", "60.0 +-4.9", "+0.0"]]


def test_later_runs_add_what_is_new_and_name_another_network(monkeypatch):
    first = run("wide", ("dense", "", 0.5), ("p8-fc-1", "fc", 0.4))
    every = run("wide", ("dense", "", 0.5), ("p8-all-1", "all", 0.2))
    narrow = run("narrow", ("dense", "", 0.3), ("p8-fc-1", "fc", 0.1))
    assert rows_of(monkeypatch, first, every, narrow) == [
        ["dense", "", "", "1", "50.0 +-5.0", ""],
        ["dense, narrow", "", "", "1", "30.0 +-4.6", "-20.0"],
        ["8", "fc", "optimised", "1", "40.0 +-4.9", "-10.0"],
        ["8", "all", "optimised", "1", "20.0 +-4.0", "-30.0"]]


def test_all_or_none_right_is_not_certain():
    assert percent(1.0, 60) == "100.0 +-1.2" and percent(0.0, 60) == "0.0 +-1.2"
    assert percent(0.42, 5000) == "42.0 +-0.7"
