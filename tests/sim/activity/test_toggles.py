"""Toggle counts are exact: bit for bit those of Verilator's own value change dump."""

from itertools import count
from pathlib import Path

import numpy as np
import pytest

from sim.activity.instrument import instrument
from sim.activity.map import ActivityMap
from sim.activity.values import GATED_BITS
from sim.verilated.build import activity_maps, build
from sim.verilated.flipflops import (
    FlipFlop,
    UnmappedError,
    keep_registers,
    list_flip_flops,
    map_members,
    walk_modules,
)
from sim.waves.vcd import read_vcd
from sw.compiler import compile_graph
from sw.driver.backend import open_backend
from sw.driver.driver import Driver
from tests.support.present import present, same
from tests.support.programs import TINY, random_graph

pytestmark = pytest.mark.builds

def toggles(path: Path) -> dict[str, np.ndarray]:
    """Full name of each signal of a value change dump -> how often each of its bits changes."""
    signals, samples = read_vcd(path)
    found = {}
    for name, rows in signals.items():
        values = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")[:, :samples]
        found[name] = (values[:, 1:] != values[:, :-1]).sum(1)
    return found


def run_and_trace(tmp_path, cycles: int) -> dict[str, np.ndarray]:
    """Toggles of core 0 in the first cycles of a program, by Verilator's own dump."""
    graph = random_graph(1)
    program = compile_graph(graph, TINY)
    with open_backend("verilator", TINY, memory_bytes=program.window_bytes, kind="vcd") as backend:
        start(backend, program, graph)
        backend.trace(tmp_path / "window.vcd", cycles)
    return toggles(tmp_path / "window.vcd")


def start(backend, program, graph) -> None:
    """Load a program and start it without waiting."""
    driver = Driver(backend)
    driver.load(program)
    image = np.random.default_rng(2).integers(-128, 128, graph.in_shape, dtype=np.int8)
    backend.write_memory(program.input.offset, program.pack_input(image))
    driver._write("START", program.start_mask)


def test_every_flip_flop_bit_agrees_with_verilators_dump(tmp_path):
    cycles = 1500
    dumped = run_and_trace(tmp_path, cycles)
    graph = random_graph(1)
    program = compile_graph(graph, TINY)
    with open_backend("verilator", TINY, memory_bytes=program.window_bytes,
                      count_toggles=True) as backend:
        start(backend, program, graph)
        backend.begin_account()
        assert backend.advance(cycles) == cycles
        layers = len(graph.layers)
        backend.end_account(layers - 1)
        mine = sum(backend.counts(k, 0)[0] for k in range(layers))
    counted_map = activity_maps(build(TINY, kind="activity"))["core"]
    rarely = [path for path, first, bits, flag in counted_map.registers
              if flag >= 0 and mine[first:first + bits].max() > mine[flag]]
    assert not rarely, f"{rarely} toggle more often than they are clocked"
    theirs = np.concatenate([dumped[f"core.core.{path}"] for path, _ in counted_map.counted])
    assert [len(dumped[f"core.core.{path}"]) for path, _ in counted_map.counted] == [
        bits for _, bits in counted_map.counted]
    names = [f"{path}[{bit}]" for path, bits in counted_map.counted for bit in range(bits)]
    differing = [(names[k], int(theirs[k]), int(mine[k])) for k in np.flatnonzero(theirs != mine)]
    assert not differing, f"{len(differing)} of {len(names)}: {differing[:10]}"
    assert mine.sum() > 10_000


def test_who_looks_how_far_a_run_is_changes_nothing(monkeypatch):
    graph = random_graph(2)
    program = compile_graph(graph, TINY)
    image = np.random.default_rng(2).integers(-128, 128, graph.in_shape, dtype=np.int8)
    results, told = [], []
    for pause in (0, 1):  # seconds between two looks at the clock: told never, or at every chance
        monkeypatch.setattr("sw.driver.driver.time.monotonic", count(0, pause).__next__)
        monkeypatch.setattr("sw.driver.driver._SLICE_CYCLES", 1000)
        with open_backend("verilator", TINY, memory_bytes=program.window_bytes,
                          count_toggles=True) as backend:
            driver = Driver(backend)
            driver.load(program)
            results.append(driver.run(image, progress=lambda *x: told.append(x)))
    quiet, watched = results
    assert told[0][1] < told[-1][1] == len(program.layers)
    assert quiet.cycles == watched.cycles and quiet.activity == watched.activity


def test_layers_sum_to_the_whole_and_counting_changes_nothing():
    graph = random_graph(2)
    program = compile_graph(graph, TINY)
    image = np.random.default_rng(2).integers(-128, 128, graph.in_shape, dtype=np.int8)
    results = []
    for counting in (False, True):  # with clocks that are always on: only then every cycle counts
        with open_backend("verilator", TINY, memory_bytes=program.window_bytes,
                          count_toggles=counting, doze=not counting) as backend:
            driver = Driver(backend)
            driver.load(program)
            results.append(driver.run(image))
    plain, counted = results
    assert plain.activity is None and plain.cycles == counted.cycles
    assert all(same(a, b) for a, b in zip(plain.outputs, counted.outputs, strict=True))
    bits = activity_maps(build(TINY, kind="activity"))["core"].bits()
    for instance in range(TINY.instances):
        rows = [row[instance] for row in present(counted.activity)]
        # the START that begins the run and the look at RUNNING that ends it are counted, too
        assert counted.cycles <= sum(r.cycles for r in rows) <= counted.cycles + 20
        for row in rows:
            assert row.bits == bits and 0 < row.clocked < row.cycles * bits
            assert row.toggles <= row.clocked, "a register toggles only when it is clocked"
            assert 0 < row.multiplier_toggles < row.toggles


def test_memory_accesses_are_those_that_the_network_needs():
    graph = random_graph(2)
    config = TINY.replace(instances=1)
    program = compile_graph(graph, config)
    image = np.random.default_rng(2).integers(-128, 128, graph.in_shape, dtype=np.int8)
    with open_backend("verilator", config, memory_bytes=program.window_bytes,
                      count_toggles=True) as backend:
        driver = Driver(backend)
        driver.load(program)
        result = driver.run(image)
    total: dict = {}
    for row in present(result.activity):
        for memory in row[0].memories:
            total.setdefault(memory.name, []).append(memory)
        for memory in row[0].memories:
            assert memory.reads + memory.writes + memory.idle >= memory.count * row[0].cycles - 1e-6
    # one accumulator write for each column and vector that the array took
    vectors = result.counters[0]["COMPUTE"]
    assert sum(m.writes for m in total["accumulator"]) == vectors * config.array.cols
    # every output pixel is drained once (4 lanes of words, so whole writes only)
    words = sum(-(-x.conv_shape[0] // 4) * x.out_shape[1] * x.out_shape[2] for x in graph.layers)
    loads = -(-graph.in_shape[0] // 4) * graph.in_shape[1] * graph.in_shape[2]
    assert sum(m.writes for m in total["acts"]) >= words + loads


VERILOG = """module core(clk, d, q);
  input clk;
  reg [7:0] kept = 8'h00;
  reg [3:0] memory [15:0];
  reg [3:0] _0_;
  always @(posedge clk) begin
    if (d) begin
      kept <= d;
    end
  end
  always @(posedge clk) begin
    if (d)
      memory[d] <= d;
  end
  always @(posedge clk) begin
    _0_ <= memory[d];
  end
  \\core.child  child (
    .clk(clk)
  );
endmodule
module \\core.child (clk);
  reg flag = 1'h0;
  always @(posedge clk) begin
    flag <= clk;
  end
endmodule
"""


def test_registers_are_listed_with_their_hierarchy_and_memories_are_not():
    assert list_flip_flops(VERILOG, "core") == [
        FlipFlop(("kept",), 8), FlipFlop(("child", "flag"), 1)]


def test_a_flip_flop_without_a_place_fails_the_build():
    header = "        CData/*7:0*/ core__DOT__kept;\n"
    with pytest.raises(UnmappedError, match="1 flip-flops of core have no place in Verilator's "
                                            r"state: child\.flag"):
        map_members(list_flip_flops(VERILOG, "core"), header, "core")


def test_registers_are_kept_by_name():
    assert "reg [7:0] kept /*verilator public_flat_rd*/ = 8'h00;" in keep_registers(VERILOG)


def test_what_combinational_processes_assign_is_not_kept():
    logic = "  reg [7:0] sum;\n  always @* begin\n    sum = d;\n  end\n"
    text = VERILOG.replace("endmodule\n", logic + "endmodule\n", 1)
    assert keep_registers(text) == keep_registers(VERILOG).replace(
        "endmodule\n", logic + "endmodule\n", 1)


def test_enable_flags_flip_when_their_register_is_written():
    text, modules = instrument(VERILOG)
    assert text.count("= ~partita_en_") == 2
    assert "begin\n      kept <= d;\n      partita_en_0 = ~partita_en_0;\n      end" in text
    assert modules["core"].flags == {"kept": "partita_en_0"}
    memory = modules["core"].memories["memory"]
    assert (memory.bits, memory.depth) == (4, 16)
    assert memory.writes == [("partita_en_1", 4)] and memory.reads == [""]
    places = walk_modules(text, "core")
    flip_flops = [f for _, _, found in places for f in found]
    activity = ActivityMap.build(flip_flops, modules, [(m, p) for m, p, _ in places])
    position, at = {}, 0
    for name, bits in activity.counted:
        position[name] = at
        at += bits
    counts = np.zeros(at, np.int64)
    counts[position["kept"]:position["kept"] + 8] = 3
    counts[position["partita_en_0"]] = 5
    counts[position["partita_en_1"]] = 7
    unit = activity.read(counts, 100)
    assert unit.toggles == 24 and unit.bits == 9
    assert unit.clocked == 5 * 8 + 100  # `flag` is always clocked
    assert unit.memories[0].writes == 7 and unit.memories[0].reads == 100
    assert GATED_BITS <= 8 and unit.gate_cycles == 100  # one gate, for `kept`
