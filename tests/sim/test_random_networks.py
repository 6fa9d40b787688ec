"""Random networks, configurations and data: compiler, RTL and golden model agree to the bit.

Each run of the tests draws others. One that is wrong is shown with the command that repeats it and
shrinks it; see `tests.random_networks`.
"""

import re

import numpy as np
import pytest

from sw.reference.golden import run_golden
from tests import random_networks
from tests.support import exactness
from tests.support.accelerators import CONFIGS
from tests.support.exactness import wrong
from tests.support.operators import OPERATORS
from tests.support.recipes import RUN, LayerRecipe, Recipe
from tests.support.seeds import draws, run_seed
from tests.support.shrink import smaller

pytestmark = pytest.mark.builds

#: Networks of each configuration, in parts that are run side by side.
COUNT, PARTS = 250, 2


def explore(name: str, count: int, first: int) -> None:
    failures = random_networks.explore(name, count, run_seed(), first)
    assert not failures, f"{len(failures)} of {count} networks:\n" + "\n".join(failures[:5])


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", CONFIGS)
def test_rtl_equals_the_golden_model(name, part):
    explore(name, COUNT // PARTS, part * COUNT // PARTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_rtl_equals_the_golden_model_of_two_thousand(name):
    explore(name, 2000, COUNT)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("partitions", [1, 2, 4, 8])
def test_partitions_more_than_equal_to_and_fewer_than_instances(name, partitions):
    recipe = Recipe.parse(
        f"{name} seed={draws('parted').getrandbits(32)} latency=40 channels=3 rows=6 columns=6 "
        "conv out=16 kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 pool=2 pool_stride=2 "
        f"fc out=32 groups={partitions} fc out=16 groups={partitions} fc out=10 low=-128")
    assert wrong(recipe) is None, recipe


def test_instances_of_a_batch_share_inputs_with_different_others():
    """Layers lie on neighbouring pairs of instances, whose multicasts' masks overlap."""
    recipe = Recipe.parse(
        "8x1x1 seed=1502113641 latency=150 columns=3 dead=30 batch=3 last_only=1 split=41463 "
        "conv kernel_w=2 stride=2 out=2 conv stride=2 pool=3 pool_stride=2 pool_pad=1 out=2 "
        "dead=90 fc out=4 low=-128 dead=90")
    assert wrong(recipe) is None


def test_zeros_are_skipped_behind_the_blocks_that_are_looked_at():
    """Of more than 64 input blocks, those behind are multiplied whatever they are."""
    recipe = Recipe.parse("2x4x4-zeros seed=1 latency=40 channels=280 rows=2 columns=3 dead=100 "
                          "conv out=9 fc out=5")
    assert recipe.graph.in_shape[0] > 64 * recipe.config.array.rows
    assert wrong(recipe) is None


@pytest.mark.parametrize("name", CONFIGS)
def test_columns_that_pooling_leaves_out_are_left_out_of_all_terms_or_of_none(name):
    """A row of three is pooled by two; one term's input is cropped, and the other's is not."""
    recipe = Recipe.parse(f"{name} seed={draws('cropped').getrandbits(32)} columns=6 channels=9 "
                          "conv out=9 kernel_w=2 pad_left=-1 pool_w=2 pool_stride=2 plus stride=2")
    assert recipe.graph.layers[0].conv_shape[2] == 3
    assert wrong(recipe) is None, recipe


# -- how failures are shown, repeated and shrunk ---------------------------------------------------
#: Wrong where a kernel is wider than a column, in a layer behind the first.
BIG = ("2x4x4 seed=5 latency=40 stall=30 channels=5 rows=7 columns=6 dead=30 batch=2 "
       "conv kernel_h=3 kernel_w=3 pad_top=1 out=6 conv kernel_h=2 kernel_w=2 pool=2 pool_stride=2 "
       "out=8 groups=2 low=-128 fc out=7 low=-128")


def broken_golden(graph, image):
    """The golden model, but that convolutions of two columns have a wrong first value."""
    outputs = run_golden(graph, image)
    for layer, output in zip(graph.layers, outputs, strict=True):
        if layer.name.startswith("conv") and layer.kernel[1] == 2:
            output[0, 0, 0] ^= 1
    return outputs


def test_a_failure_is_shown_repeated_and_shrunk(monkeypatch, capsys):
    monkeypatch.setattr(exactness.wrong, "__defaults__", (broken_golden,))
    assert random_networks.main(BIG.split()) == 1
    found, smallest, again = capsys.readouterr().out.splitlines()
    assert found.startswith("run 0: layer conv1 of image 0: [0, 0, 0] is ")
    assert "by the golden model" in found and "1 of " in found
    assert smallest == "smallest: 2x4x4 columns=2 conv kernel_w=2"
    assert again.startswith("run 0: layer conv0 of image 0: [0, 0, 0] is ")
    assert random_networks.main(smallest.removeprefix("smallest: ").split()) == 1


#: Wrong where a kernel is wider than a column, in a layer behind a sum and a join.
GRAPH = ("2x4x4 seed=5 latency=40 channels=3 rows=4 columns=4 conv out=3 conv out=3 plus groups=3 "
         "back=1 plus groups=3 join a=1 b=0 conv kernel_h=2 kernel_w=2 out=8 groups=2 conv out=2 "
         "back=2 fc out=7 plus back=1 kernel_h=3 kernel_w=3")


def test_a_graph_is_shrunk_by_its_layers_terms_and_joins(monkeypatch, capsys):
    monkeypatch.setattr(exactness.wrong, "__defaults__", (broken_golden,))
    assert random_networks.main(GRAPH.split()) == 1
    found, smallest, _ = capsys.readouterr().out.splitlines()
    assert found.startswith("run 0: layer conv5 of image 0: [0, 0, 0] is ")
    assert smallest == "smallest: 2x4x4 columns=2 conv kernel_w=2"


def test_layers_behind_one_that_is_left_out_read_what_they_have_read():
    recipe = Recipe.parse(GRAPH)
    without_sum = (
        "2x4x4 seed=5 latency=40 channels=3 rows=4 columns=4 conv out=3 join conv kernel_h=2 "
        "kernel_w=2 out=8 groups=2 conv out=2 back=2 fc out=7 plus kernel_h=3 kernel_w=3 back=1")
    assert without_sum in map(str, smaller(recipe))
    assert Recipe.parse(without_sum).exists


def test_random_failures_are_shown_with_the_command_that_repeats_them(monkeypatch, capsys):
    monkeypatch.setattr(exactness.wrong, "__defaults__", (broken_golden,))
    assert random_networks.main(["2x4x4", "--count", "20", "--seed", "3"]) == 1
    count, *failures = capsys.readouterr().out.splitlines()
    assert count.endswith("of 20 are wrong (seed 3)") and not count.startswith("0 ")
    command = "  python -m tests.random_networks "
    assert failures[1].startswith(command)
    assert random_networks.main(failures[1].removeprefix(command).split()) == 1
    monkeypatch.undo()
    assert random_networks.main(failures[1].removeprefix(command).split()) == 0
    assert capsys.readouterr().out.endswith("exact\n")


def test_what_a_run_ends_with_is_a_failure(monkeypatch):
    def stub(*args, **kwargs):
        raise RuntimeError("no such machine")

    monkeypatch.setattr(exactness, "VerilatorBackend", stub)
    assert wrong(Recipe.parse("2x4x4 conv")) == "RuntimeError: no such machine"


def test_a_recipe_is_what_it_says():
    recipe = Recipe.parse(BIG.replace("out=6", "out=6 groups=1  pool=1"))
    assert str(recipe) == BIG and Recipe.parse(BIG) == recipe
    assert recipe.run == {**RUN, "seed": 5, "latency": 40, "stall": 30, "channels": 5, "rows": 7,
                          "columns": 6, "dead": 30, "batch": 2}
    assert recipe.layers[2] == LayerRecipe("fc", {**OPERATORS["fc"].simplest, "out": 7,
                                                  "low": -128})
    shorter = Recipe.parse(BIG.rpartition(" fc")[0])  # a layer's weights are its own
    assert np.array_equal(shorter.graph.layers[1].weight, recipe.graph.layers[1].weight)


@pytest.mark.parametrize(("text", "says"), [
    ("", "'' is no configuration; there are 2x4x4, "),
    ("3x3", "'3x3' is no configuration"),
    ("2x4x4 cow", r"'cow' is neither an operator \(conv, fc, excite, plus, .*\) nor one "),
    ("2x4x4 fc kernel_h=3", "'kernel_h=3' is neither .* nor one of epsilon, out, "),
    ("2x4x4 fc out=x", "'out=x' is neither .* with a whole number"),
])
def test_what_is_no_recipe_says_why(text, says):
    with pytest.raises(ValueError, match=says):
        Recipe.parse(text)


@pytest.mark.parametrize(("text", "says"), [
    ("2x4x4 cow", "'cow' is neither"),
    ("2x4x4 conv kernel_h=3", r"a window of \(3, 1\) in \[1, 1\]"),
    ("2x4x4 channels=3 fc groups=2", "2 groups of 3 and 1 channels"),
    ("2x4x4 conv back=1", "1 before the last of 1 values"),
    ("2x4x4 rows=2 conv conv kernel_h=2 plus back=1", r"plus2: \(2, 1\) and \(1, 1\) cannot be "),
    ("2x4x4 plus conv", "plus0: a term without a layer before it"),
    ("2x4x4 conv conv back=1", "layer conv0 of random is read by no layer"),
    ("2x4x4 rows=2 conv kernel_h=2 join b=1 conv", "join1: parts of .* do not match"),
])
def test_a_network_that_there_is_not_is_refused(text, says, capsys):
    with pytest.raises(SystemExit) as end:
        random_networks.main(text.split())
    assert end.value.code == 2
    assert re.search(says, capsys.readouterr().err)
