"""Tests of `boards/deploy`."""
