"""Toggle counts are exact: bit for bit those of Verilator's own SAIF."""

import ctypes
import re

import numpy as np
import pytest

from sim.flipflops import FlipFlop, UnmappedError, keep_registers, list_flip_flops, map_members
from sim.verilator import build, flip_flop_names
from sw.compiler import compile_graph
from sw.driver import Driver, open_backend

from .programs import TINY, random_graph

_LINE = re.compile(r"^ *\(INSTANCE (\S+)$|^ *\((\S+) \(T0 .*\(TC (\d+)\)\)$|^ *(\(NET)$|^ *(\))$")


def saif_counts(text: str) -> dict[str, int]:
    """Full name of each net bit -> TC, from a SAIF file as Verilator writes it."""
    counts: dict[str, int] = {}
    path: list[str] = []
    for line in text.replace("\\", "").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        instance, net, count, nets, closing = match.groups()
        if instance or nets:
            path.append(instance or "")
        elif net:
            # both cores are in the file, the first one first
            counts.setdefault(".".join([*filter(None, path), net]), int(count))
        elif closing and path:
            path.pop()
    return counts


def run_and_trace(tmp_path, cycles: int) -> dict[str, int]:
    """Core 0's SAIF counts of the first cycles of a program."""
    graph = random_graph(1)
    program = compile_graph(graph, TINY)
    lib = ctypes.CDLL(str(build(TINY, saif=True)))
    lib.partita_trace.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64]
    with open_backend("verilator", TINY, memory_bytes=program.window_bytes, saif=True) as backend:
        start(backend, program, graph)
        path = tmp_path / f"window-{cycles}.saif"
        lib.partita_trace(backend._model, str(path).encode(), cycles)
    return saif_counts(path.read_text())


def start(backend, program, graph) -> None:
    """Load a program and start it without waiting."""
    driver = Driver(backend)
    driver.load(program)
    image = np.random.default_rng(2).integers(-128, 128, graph.in_shape, dtype=np.int8)
    backend.write_memory(program.input.offset, program.pack_input(image))
    driver._write("START", program.start_mask)


def test_every_flip_flop_bit_agrees_with_saif(tmp_path):
    cycles = 1500
    # SAIF counts a bit that is 1 when the window opens as a toggle: an empty window tells which
    opened, counted = run_and_trace(tmp_path, 0), run_and_trace(tmp_path, cycles)
    graph = random_graph(1)
    program = compile_graph(graph, TINY)
    with open_backend("verilator", TINY, memory_bytes=program.window_bytes,
                      count_toggles=True) as backend:
        start(backend, program, graph)
        backend.begin_account()
        assert backend.advance(cycles) == cycles
        layers = len(graph.layers)
        backend.end_account(layers - 1)
        mine = sum(backend.toggles(k, 0)[0] for k in range(layers))
    assert not any(opened.values()) or max(opened.values()) == 1
    names, position, matched, differing = flip_flop_names(TINY)["core"], 0, 0, []
    by_suffix = {k.removeprefix("core.core."): k for k in counted}
    for flip_flop in names:
        for bit in range(flip_flop.bits):
            name = flip_flop.name + (f"[{bit}]" if flip_flop.bits > 1 else "")
            key = by_suffix.get(name)
            if key is not None:
                matched += 1
                expected = counted[key] - opened[key]
                if expected != mine[position]:
                    differing.append((name, expected, int(mine[position])))
            position += 1
    assert position == len(mine)
    assert not differing, f"{len(differing)} of {matched}: {differing[:10]}"
    assert matched == position
    assert mine.sum() > 10_000


def test_layers_sum_to_the_whole_and_counting_changes_nothing():
    graph = random_graph(2)
    program = compile_graph(graph, TINY)
    image = np.random.default_rng(2).integers(-128, 128, graph.in_shape, dtype=np.int8)
    results = []
    for count in (False, True):
        with open_backend("verilator", TINY, memory_bytes=program.window_bytes,
                          count_toggles=count) as backend:
            driver = Driver(backend)
            driver.load(program)
            results.append(driver.run(image))
    plain, counted = results
    assert plain.toggles is None and plain.cycles == counted.cycles
    assert all(np.array_equal(a, b) for a, b in zip(plain.outputs, counted.outputs, strict=True))
    bits = sum(f.bits for f in flip_flop_names(TINY)["core"])
    for instance in range(TINY.instances):
        cycles = sum(row[instance] for row in counted.clocked_ff_cycles) / bits
        # a few cycles of register accesses lie around the run
        assert counted.cycles <= cycles <= counted.cycles + 200


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
