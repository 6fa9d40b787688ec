"""Every command prunes a user's network by her own plan, or says why it cannot."""

import json
from typing import Any

import numpy as np
import pytest

from boards import __main__ as boards
from boards.flow import commands
from hw.config import PRESETS
from sw import ablation, check, compare, explore, scale, trace, train
from sw.compiler.predict import predict
from sw.experiment import ablation as ablating
from sw.experiment import dropping, tracing
from sw.graph.artefact import load_integer
from sw.networks.naming import origin_of
from sw.networks.opening import opened
from sw.networks.shapes import shape_graph
from sw.prune.partition import partition
from sw.prune.plan import PartitionPlan
from tests.support.own import write_own

TINY = ["--preset", "tiny"]
#: Commands with what they need besides a network, and what asks for so many partitions.
COMMANDS = {"compare": (compare.main, []), "explore": (explore.main, []),
            "ablation": (ablation.main, []), "trace": (trace.main, ["--timeline", "run.json"]),
            "build": (boards.main, []), "export": (boards.main, ["--out", "out"]),
            "run": (boards.main, ["--virtual"])}


class Seen(Exception):
    """Carries what a command would have run."""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return write_own(tmp_path_factory.mktemp("planned"))


@pytest.fixture(scope="module")
def plans(own):
    """Plans of the network's linear layer, by their partitions; drawn, so that none is the one that
    a command would make itself."""
    graph = opened(origin_of(str(own.onnx))).graph
    found = {}
    for parts in (2, 4):
        plan = partition(graph, ["n7"], parts, "random", seed=5)
        plan.save(own.onnx.with_name(f"{parts}.plan.json"))
        found[parts] = str(own.onnx.with_name(f"{parts}.plan.json"))
    return found


def words_of(command: str) -> list[str]:
    return [command, "ulx3s-12f"] if command in ("build", "export", "run") else []


def groups(graph) -> dict[str, int]:
    return {layer.name: layer.groups for layer in graph.layers}


CUT = {"n1": 1, "n7": 4, "n9": 1}


def test_plans_are_equal_by_what_they_say(plans):
    first, second = (PartitionPlan.load(plans[4]) for _ in range(2))
    assert first == second and hash(first) == hash(second)
    assert first != PartitionPlan.load(plans[2])


def test_it_is_explored_beside_the_dense_network(own, plans, capsys):
    assert explore.main(["--network", str(own.onnx), "--plan", plans[4], "--instances", "2",
                         "--arrays", "4x4", "--jobs", "1", "--json"]) == 0
    dense, pruned = json.loads(capsys.readouterr().out)["points"]
    assert (dense["partitions"], pruned["partitions"], pruned["prune"]) == (1, 4, "plan")
    graph = shape_graph(origin_of(str(own.onnx)), "fc", 1, PartitionPlan.load(plans[4]))
    assert groups(graph) == CUT
    config = PRESETS["default"].replace(instances=2, array__rows=4, array__cols=4,
                                        array__post_lanes=0)
    assert pruned["cycles"] == predict(graph, config).cycles < dense["cycles"]


def test_a_check_predicts_it(own, plans, capsys):
    options = [str(own.onnx), *TINY, "--quiet"]
    assert check.main([*options, "--json"]) == 0
    dense = json.loads(capsys.readouterr().out)
    assert check.main([*options, "--plan", plans[4], "--json"]) == 0
    pruned = json.loads(capsys.readouterr().out)
    assert pruned["cycles"] < dense["cycles"] and pruned["cuts"] == []
    assert pruned["pruned"] == "n7 in 4 parts, as --plan says"
    assert check.main([*options, "--plan", plans[4]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "partitioning: n7 in 4 parts, as --plan says" in lines
    assert lines[-1] == (f"next: python -m sw.compare --network {own.onnx} --plan {plans[4]} "
                         "--preset tiny")


def test_an_ablation_runs_it_on_one_port_and_on_several(own, plans, capsys, monkeypatch):
    seen: dict[str, dict[str, int]] = {}

    def see(work: Any, *rest: Any) -> tuple[int, bool]:
        seen[work.name] = groups(work.arm.graph)
        return 1, True

    monkeypatch.setattr(ablating, "measure_without", see)
    assert ablation.main(["--network", str(own.onnx), "--plan", plans[4], *TINY, "--quiet"]) == 0
    assert seen == {"pruned by the plan, one port": CUT, "pruned by the plan, a port each": CUT,
                    "convolutions, dense, one port": dict.fromkeys(CUT, 1)}
    assert "pruned by the plan" in capsys.readouterr().out


def test_partitions_that_are_dropped_are_its(own, plans, capsys, monkeypatch):
    def see(grown: Any, *rest: Any) -> None:
        raise Seen(groups(grown.graph))

    monkeypatch.setattr(dropping, "measure_active", see)
    asked = ["--network", str(own.onnx), *TINY]
    with pytest.raises(Seen) as found:
        scale.main([*asked, "--plan", plans[2]])
    assert found.value.args[0] == CUT | {"n7": 2}
    assert "n7 pruned in 2 parts, without training" in capsys.readouterr().err
    assert scale.main([*asked, "--plan", plans[4]]) == 2
    assert ("--plan is of 4 partitions; --instances is 2, each of which has one: take --instances "
            "4") in capsys.readouterr().err


def test_a_run_of_it_is_looked_into(own, plans, tmp_path, monkeypatch):
    def see(graph: Any, *rest: Any) -> None:
        raise Seen(groups(graph))

    monkeypatch.setattr(tracing, "compile_graph", see)
    with pytest.raises(Seen) as found:
        trace.main(["--network", str(own.onnx), "--plan", plans[4], *TINY, "--timeline",
                    str(tmp_path / "run.json")])
    assert found.value.args[0] == CUT


def test_boards_take_it(own, plans, tmp_path, capsys, monkeypatch):
    """A build looks whether it fits, and an export compiles it; a run has the export's task."""
    out = tmp_path / "deploy"
    assert boards.main(["export", "ulx3s-12f", "--network", str(own.onnx), "--plan", plans[4],
                        "--out", str(out), "--quiet"]) == 0
    assert groups(load_integer(out / "network.safetensors")) == CUT
    assert capsys.readouterr().out.startswith("own-p4 for the ULX3S-12F")
    assert boards.main(["export", "ulx3s-12f", "--network", str(own.onnx), "--data",
                        str(own.images), "--out", str(tmp_path / "dense")]) == 0
    said = capsys.readouterr().err
    assert "quantising" in said and "partitioning" not in said and "accuracy" not in said

    def see(*rest: Any, **options: Any) -> None:
        raise Seen

    monkeypatch.setattr(commands, "build", see)
    needs = {}
    for plan in ([], ["--plan", plans[4]]):
        with pytest.raises(Seen):
            boards.main(["build", "ulx3s-12f", "--network", str(own.onnx), *plan])
        needs[len(plan)] = capsys.readouterr().err
    assert needs[0].startswith("  own fits: ") and needs[0] != needs[2]
    assert boards.main(["build", "ulx3s-12f", "--plan", plans[4]]) == 2
    assert "--plan goes with --network, which names what is looked at" in capsys.readouterr().err
    assert boards.main(["run", "ulx3s-12f", "--virtual", "--bundle", str(out), "--plan",
                        plans[4]]) == 2
    assert "--plan goes without --bundle" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_what_does_not_go_with_it_is_refused(command, own, plans, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main, more = COMMANDS[command]
    asked = [*words_of(command), "--network", str(own.onnx), *more]
    assert main([*asked, "--plan", plans[4], "--partitions", "2"]) == 2
    assert "--partitions goes without --plan, which says what is" in capsys.readouterr().err
    assert main([*asked, "--plan", "none.plan.json"]) == 5
    assert "none.plan.json: No such file" in capsys.readouterr().err
    assert main([*words_of(command), "--network", "digits", *more, "--plan", plans[4]]) == 2
    assert "--plan goes with a network of your own" in capsys.readouterr().err
    other = [*words_of(command), "--network", f"{own.source}:Branches", "--input-shape", "3x16x16"]
    assert main([*other, *more, "--plan", plans[4]]) == 2
    assert "--plan is " in (said := capsys.readouterr().err) and "n7" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.trains
def test_a_network_is_fine_tuned_under_it(own, tmp_path, capsys):
    plan = partition(opened(origin_of(f"{own.source}:make", in_shape=(3, 16, 16))).graph, ["5"], 4,
                     "random", seed=5)
    plan.save(tmp_path / "mine.plan.json")
    asked = ["--network", f"{own.source}:make", "--input-shape", "3x16x16", "--weights",
             str(own.weights), "--data", str(own.npz), "--tune-epochs", "1", "--qat-epochs", "0",
             "--batch", "4", "--quiet", "--out", str(tmp_path / "run"), "--plan",
             str(tmp_path / "mine.plan.json")]
    assert train.main(asked) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.endswith(f"--plan {tmp_path}/run/p4-plan-given-1.plan.json")
    assert PartitionPlan.load(tmp_path / "run" / "p4-plan-given-1.plan.json") == plan
    tuned = opened(origin_of(f"{own.source}:make", in_shape=(3, 16, 16),
                             weights=tmp_path / "run" / "p4-plan-given-1.safetensors")).graph
    weight = tuned.layer("5").energy()
    assert not weight[~plan.mask(0)].any() and np.count_nonzero(weight)
    assert train.main([*asked, "--ablation"]) == 2
    assert "--ablation goes without --plan" in capsys.readouterr().err
