"""Tests of hw/gateware/parts."""
