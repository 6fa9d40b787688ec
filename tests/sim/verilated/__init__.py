"""Tests of sim/verilated."""
