"""Tests of sw/reference."""
