"""Tests of hw/gateware/traffic."""
