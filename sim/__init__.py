"""Simulation: the RTL in Verilator behind the driver's backend interface."""
