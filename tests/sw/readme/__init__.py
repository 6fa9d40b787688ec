"""Tests of sw/readme."""
