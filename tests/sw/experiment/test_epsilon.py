"""Small inputs that count as zero, and what is said of it."""

from dataclasses import replace

import pytest

from sw.experiment.epsilon import epsilons, taken_for_zero
from sw.experiment.workload import load_workload

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def work():
    return replace(load_workload("digits", partitions=8, seed=1, images=1),
                   accuracy={"float on 60 images": 1.0, "int8 on 60 images": 0.9})


def test_what_was_measured_before_is_told_from_what_runs(work):
    changed = taken_for_zero(work, [("", 1), ("fc2", 30)])
    assert changed.accuracy == {"float on 60 images": 1.0,
                                "int8 on 60 images, without --epsilon": 0.9}
    assert "--epsilon 1,fc2=30: inputs of fully connected layers of that" in changed.notes[-1]
    for graph in changed.forms.values():
        assert [x.epsilon for x in graph.layers] == [0, 0, 0, 0, 1, 30, 1]


def test_a_name_that_is_no_fully_connected_layers_is_refused(work):
    with pytest.raises(ValueError, match="--epsilon names 'conv1'; fully connected layers are fc1"):
        epsilons(work.dense.layers, [("conv1", 2)])
