"""What the weight streams hold."""

from dataclasses import replace

import numpy as np

from hw.isa import Opcode
from sw.compiler.compile import lower
from sw.graph.integer import IntegerGraph
from tests.support.compiler_cases import make_layer
from tests.support.programs import TINY


def test_a_table_for_all_channels_is_brought_once_for_each_bank():
    config = TINY.replace(instances=1, array__tables=True)
    layer = make_layer(np.random.default_rng(0), "conv", (3, 4, 4), 20)  # five output blocks

    def chunks(table: np.ndarray | None) -> int:
        graph = IntegerGraph("net", (replace(layer, table=table),), 1.0, 1.0)
        return sum(op.fields["chunks"] for op in lower(graph, config).ops[0] or []
                   if op.opcode == Opcode.WEIGHTS)

    plain = chunks(None)
    assert [(chunks(np.zeros((tables, 256), np.int8)) - plain) / config.table_chunks
            for tables in (1, 20)] == [2, 5]
