"""Lanes keep lines off other nodes, and the view tells what each layer reads."""

import random
import re
from dataclasses import replace

from sw.report.graph import graph_view, lanes
from tests.sw.report.test_page import example


def test_a_chain_has_one_lane():
    assert lanes([[], [0], [1], [2]]) == [0, 0, 0, 0]


def test_a_residual_block_returns_to_its_lane():
    # x -> a -> b + x -> c
    assert lanes([[], [0], [1, 0], [2]]) == [0, 1, 0, 0]


def test_no_line_meets_another_node():
    draw = random.Random()
    for _ in range(200):
        reads = [sorted(draw.sample(range(k), draw.randint(1, min(k, 3)))) if k else []
                 for k in range(draw.randint(1, 20))]
        found = lanes(reads)
        for k, sources in enumerate(reads):
            for source in sources:
                assert all(found[j] != found[source] for j in range(source + 1, k)), (reads, found)


def test_the_view_has_a_row_for_each_layer_and_a_line_for_each_edge():
    arm = example().arms[-1]
    x, y = arm.layers
    layers = (replace(x, name="<in>", shape=(8, 4, 4)), replace(y, name="b", reads=("<in>",)),
              replace(y, name="sum", reads=("b", "<in>")))
    view = graph_view(replace(arm, layers=layers))
    assert "&lt;in&gt;" in view and "8 x 4 x 4" in view
    assert view.count("<path") == 3 and view.count("<circle") == 3
    assert len(re.findall(r'title="instance \d', view)) == 3 * arm.instances


def test_cycles_are_an_images():
    arm = example().arms[0]
    view = graph_view(arm, images=4)
    assert f"<span>{arm.layers[1].cycles / 4:,.0f}</span>" in view
    assert 'title="computes: 125.0 cycles per image, mean of the instances"' in view


def test_a_report_that_does_not_tell_is_drawn_as_a_chain():
    assert graph_view(example().arms[0]).count("<path") == 1
