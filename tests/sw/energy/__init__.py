"""Tests of sw/energy."""
