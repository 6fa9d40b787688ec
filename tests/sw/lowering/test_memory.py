"""Rooms beside what is held, masks that may meet, and when memory may be written again."""

from dataclasses import replace

import pytest

from sw.compiler.compile import lower
from sw.lowering.loads import apart, load_masks
from sw.lowering.memory import Room, room_beside
from sw.lowering.stage import Stage
from sw.lowering.tensors import _settled
from tests.support.accelerators import CONFIGS
from tests.support.residual import residual_network


@pytest.mark.parametrize(("held", "room"), [
    ([], Room(0, 100, True)),
    ([(70, 100)], Room(0, 70, False)),
    ([(0, 30)], Room(30, 100, True)),
    ([(80, 100), (0, 10)], Room(10, 80, False)),
    ([(10, 30), (40, 60)], Room(60, 100, True)),
    ([(0, 100)], Room(0, 0, False)),
])
def test_a_layer_has_the_largest_room_beside_what_is_held(held, room):
    assert room_beside(held, 100) == room


def test_masks_that_overlap_give_way_to_the_one_of_most_words():
    assert apart({0b1111: 10, 0b0011: 4, 0b1100: 7, 0: 99}) == {0b1111}
    assert apart({0b1111: 10, 0b0011: 14, 0b1100: 7}) == {0b0011, 0b1100}


def stages(instances: int) -> tuple[list[Stage], list[tuple[int, int]]]:
    graph = residual_network(1)
    found = lower(graph, CONFIGS["2x4x4"].replace(instances=instances))
    return list(found.stages), list(found.order)


def test_between_two_barriers_an_instance_loads_together_with_the_same_ones():
    """Two layers whose masks differ, and no barrier between them any more."""
    found, order = stages(4)
    masks = load_masks(found, order)
    several = [k for k, of in enumerate(masks) if any(any(row) for row in of)]
    assert len(several) > 1
    open_ = [replace(stage, barrier=()) for stage in found]
    taken = {mask for of in load_masks(open_, order) for row in of for mask in row if mask}
    assert all(a == b or not a & b for a in taken for b in taken)


def test_what_others_have_read_is_known_after_a_barrier_and_a_load():
    found, _ = stages(2)
    settled = _settled(found)
    met = 0
    for k, stage in enumerate(found):
        if stage.barrier and not stage.plan.resident:
            met = k
        assert settled[k] <= met <= k
    assert settled[-1] > 0 and _settled(stages(1)[0]) == list(range(len(found)))


def test_a_layer_that_finds_all_that_it_reads_knows_nothing_of_a_barrier_before_it():
    found, _ = stages(2)
    k = next(k for k, stage in enumerate(found) if k and stage.plan.resident)
    before = _settled(found)[k]
    found[k] = replace(found[k], barrier=(k,))
    assert _settled(found)[k] == before < k
