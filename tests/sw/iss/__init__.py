"""Tests of sw/iss."""
