"""Tests of sw/quantise."""
