"""Tests of hw/gateware/control."""
