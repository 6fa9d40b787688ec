"""The whole top, as one model, at its AXI buses: pruned, partitioned TinyVGG16 layers.

The bus model is cocotbext-axi, which is not ours. Layers are TinyVGG16's, partition-pruned at
P = 8, cut to what a bench in Python can drive: of conv4_2 two of the eight 64-channel blocks, of
fc2 two of the eight 512-to-256 blocks at a quarter of their width, and the classifier on them.
"""

import json

import numpy as np
import pytest

from hw.config import PRESETS
from hw.gateware.top import TOP_NAME
from hw.gateware.verilog import generate
from sw.compiler import compile_graph
from sw.graph.active import with_active
from sw.graph.integer import IntegerGraph
from sw.reference.golden import run_golden
from tests.support.programs import random_layer
from tests.support.runner import run_bench
from tests.support.seeds import run_seed

pytestmark = pytest.mark.builds


def tinyvgg16_blocks() -> IntegerGraph:
    """Blocks of conv4_2, fc1 and fc2 and a dense classifier, in TinyVGG16's order."""
    rng = np.random.default_rng(16)
    conv = random_layer(rng, "conv4_2", (32, 7, 7), 32, 3, pad=1, groups=2)
    fc1 = random_layer(rng, "fc1", conv.out_shape, 64, 7, groups=2)
    fc2 = random_layer(rng, "fc2", fc1.out_shape, 32, 1, groups=2)
    fc3 = random_layer(rng, "fc3", fc2.out_shape, 20, 1, low=-128)
    return IntegerGraph("tinyvgg16-blocks", (conv, fc1, fc2, fc3), 1.0, 1.0)


@pytest.mark.parametrize(("memory", "stalls"), [
    ("shared", [0.0, 0.5, 0.9]), ("private", [0.7])], ids=["shared", "private"])
def test_pruned_layers_are_bit_exact_behind_a_foreign_memory(tmp_path, memory, stalls):
    """Which never stalls, now and then, and nearly always, by phases, each channel by itself."""
    run_blocks(tmp_path, memory, stalls, None)


def test_a_partition_is_dropped_and_its_clock_gated(tmp_path):
    run_blocks(tmp_path, "shared", [0.5], 1)


def run_blocks(tmp_path, memory: str, stalls: list[float], active: int | None) -> None:
    """Run the blocks, with only so many partitions if `active` tells."""
    config = PRESETS["tiny"].replace(port__memory=memory)
    graph = tinyvgg16_blocks()
    program = compile_graph(graph, config, scalable=active is not None)
    image = np.random.default_rng(run_seed()).integers(-128, 128, graph.in_shape, dtype=np.int8)
    left = graph if active is None else with_active(graph, config.instances, active)
    outputs = {f"layer_{k}": x for k, x in enumerate(run_golden(left, image))}
    program.save(tmp_path / "program.npz")
    np.savez(tmp_path / "data.npz", allow_pickle=False, image=image, **outputs)
    job = {"program": str(tmp_path / "program.npz"), "data": str(tmp_path / "data.npz"),
           "stalls": stalls, "seed": run_seed(), "limit": 400_000, "active": active}
    (tmp_path / "job.json").write_text(json.dumps(job))
    run_bench("\n".join(generate(config, clock_gates=True).values()), TOP_NAME,
              ["tests.cocotb.top_bench"], tmp_path, {"PARTITA_JOB": str(tmp_path / "job.json")})
