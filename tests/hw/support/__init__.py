"""Tests of hw/support."""
