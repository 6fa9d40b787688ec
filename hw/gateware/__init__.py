"""The accelerator in Amaranth: instance and top, and their Verilog."""
