"""Tests of sw/report."""
