"""Tests of sw/terminal."""
