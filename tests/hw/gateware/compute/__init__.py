"""Tests of hw/gateware/compute."""
