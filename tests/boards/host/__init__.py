"""Tests of boards/host."""
