"""Tests of sw/graph."""
