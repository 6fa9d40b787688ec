"""Tests of sw/prune."""
