"""Tests of sw/frontend."""
