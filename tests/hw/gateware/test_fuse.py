"""Fusing a register's processes keeps its meaning and leaves strangers alone."""

from hw.gateware.fuse import fuse_clocked

HEAD = "module top(clk, d, en, q);\n"
#: A register, whose next value a process that follows computes.
REGISTER = HEAD + (
    "  reg [7:0] q = 8'h00;\n"
    "  reg [7:0] \\$7 ;\n"
    "  always @(posedge clk)\n"
    "    q <= \\$7 ;\n")


def test_hold_disappears_and_enable_stays():
    source = REGISTER + (
        "  always @* begin\n"
        "    if (\\$auto$verilog_backend.cc:2352:dump_module$1 ) begin end\n"
        "    \\$7  = q;\n"
        "    if (en) begin\n"
        "      \\$7  = d;\n"
        "    end\n"
        "  end\n"
        "endmodule\n")
    fused = fuse_clocked(source)
    assert "always @*" not in fused
    assert "\\$7" not in fused
    assert "if (en) begin\n      q <= d;\n    end" in fused


def test_next_value_used_elsewhere_is_left_alone():
    source = HEAD + (
        "  reg [7:0] q = 8'h00;\n"
        "  reg [7:0] \\$7 ;\n"
        "  assign next = \\$7 ;\n"
        "  always @(posedge clk)\n"
        "    q <= \\$7 ;\n"
        "  always @* begin\n"
        "    \\$7  = d;\n"
        "  end\n"
        "endmodule\n")
    assert fuse_clocked(source) == source


def test_block_with_two_targets_is_left_alone():
    source = REGISTER + (
        "  always @* begin\n"
        "    \\$7  = d;\n"
        "    \\$8  = d;\n"
        "  end\n"
        "endmodule\n")
    assert fuse_clocked(source) == source


def test_names_that_share_a_prefix_are_told_apart():
    source = HEAD + (
        "  reg q = 1'h0;\n"
        "  reg \\$7 ;\n"
        "  reg \\$71 ;\n"
        "  always @(posedge clk)\n"
        "    q <= \\$7 ;\n"
        "  always @* begin\n"
        "    \\$7  = en;\n"
        "  end\n"
        "  assign other = \\$71 ;\n"
        "endmodule\n")
    fused = fuse_clocked(source)
    assert "q <= en;" in fused
    assert "reg \\$71 ;" in fused


def test_attributes_of_conditions_do_not_matter():
    source = REGISTER + (
        "  always @* begin\n"
        "    \\$7  = q;\n"
        "    (* full_case = 32'd1 *)\n"
        "    if (en) begin\n"
        "    end else begin\n"
        "      \\$7  = d;\n"
        "    end\n"
        "  end\n"
        "endmodule\n")
    fused = fuse_clocked(source)
    assert "always @*" not in fused and "q <= d;" in fused


def test_a_case_keeps_a_statement_beneath_each_label():
    source = REGISTER + (
        "  always @* begin\n"
        "    casez (state)\n"
        "      2'h0:\n"
        "          \\$7  = q;\n"
        "      2'h1: \\$7  = q;\n"
        "      2'h2:\n"
        "          \\$7  = d;\n"
        "    endcase\n"
        "  end\n"
        "endmodule\n")
    assert ("      2'h0:\n          /* hold */;\n      2'h1: /* hold */;\n"
            "      2'h2:\n          q <= d;\n") in fuse_clocked(source)
