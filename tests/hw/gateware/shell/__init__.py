"""Tests of hw/gateware/shell."""
