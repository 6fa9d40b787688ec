"""Benches that run in a simulator, by cocotb."""
