"""Tests of sw/cycles."""
