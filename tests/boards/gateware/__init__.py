"""Tests of boards/gateware."""
