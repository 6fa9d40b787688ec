"""Tests of hw/gateware/micro."""
