"""Tests of hw/gateware."""
