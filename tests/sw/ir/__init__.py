"""Tests of sw/ir."""
