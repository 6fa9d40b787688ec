// Techniques for Yosys's techmap, for ECP5. Up to eight bits are added in plain LUTs, which take in
// what is before and after, as carry cells do not; a multiplexer of four is two LUTs and the
// slice's own multiplexer, for which ABC would take three or four.

(* techmap_celltype = "$alu" *)
module narrow (A, B, CI, BI, X, Y, CO);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  wire _TECHMAP_FAIL_ = Y_WIDTH > 8;
  (* force_downto *) input [A_WIDTH-1:0] A;
  (* force_downto *) input [B_WIDTH-1:0] B;
  input CI, BI;
  (* force_downto *) output [Y_WIDTH-1:0] X, Y, CO;
  (* force_downto *) wire [Y_WIDTH-1:0] a, b;
  \$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) wide_a (.A(A), .Y(a));
  \$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) wide_b (.A(B), .Y(b));
  (* force_downto *) wire [Y_WIDTH-1:0] term = BI ? ~b : b;
  wire [Y_WIDTH:0] carry;
  assign carry[0] = CI;
  genvar i;
  generate for (i = 0; i < Y_WIDTH; i = i + 1) begin : bits
    assign carry[i+1] = (a[i] & term[i]) | (carry[i] & X[i]);
  end endgenerate
  assign X = a ^ term, Y = X ^ carry[Y_WIDTH-1:0], CO = carry[Y_WIDTH:1];
endmodule

module \$_MUX4_ (input A, B, C, D, S, T, output Y);
  wire low, high;
  LUT4 #(.INIT(16'hCACA)) lut_0 (.A(A), .B(B), .C(S), .D(1'b0), .Z(low));
  LUT4 #(.INIT(16'hCACA)) lut_1 (.A(C), .B(D), .C(S), .D(1'b0), .Z(high));
  PFUMX mux (.ALUT(high), .BLUT(low), .C0(T), .Z(Y));
endmodule
