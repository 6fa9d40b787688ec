"""Tests of sw/lowering."""
