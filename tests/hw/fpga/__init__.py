"""Tests of hw/fpga."""
