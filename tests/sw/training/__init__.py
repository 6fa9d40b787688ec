"""Tests of sw/training."""
